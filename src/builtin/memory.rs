//! The memory store, the reference.

use super::Builtin;
use crate::backend::memory::MemoryBackend;
use crate::target::Target;

pub(super) static MEMORY: Builtin = Builtin {
    name: "memory",
    is_default: true,
    target: |_, _| Ok(memory_target()),
    ..Builtin::PLAIN
};

/// The memory store.
pub fn memory_target() -> Target {
    Target::new(MemoryBackend)
}
