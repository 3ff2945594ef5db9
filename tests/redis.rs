//! The Redis backend against a real Redis.
