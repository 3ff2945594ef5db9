//! A call of a store as a value, and its reply as another.

use std::fmt::{self, Display, Formatter};

use futures_util::future::BoxFuture;

use super::text::{Argument, quote};
use super::*;

/// Makes the enum of the table, and what sends a call back to its method.
macro_rules! declare {
    ($($trait:ident $accessor:ident {$(
        $variant:ident $command:literal: $method:ident[$($key:ident)? $(; $value:ident)?](
            $($arg:ident $($name:literal)?: $kind:ty $(as $with:literal)?),*
        ) -> $answer:ty;
    )*})*) => {
        /// One call of a store: a variant for each method of [`Store`] and its extension traits, with what it is given.
        ///
        /// It prints as the command of a script that makes it, with the keys, leases and revisions of the store.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)]
        pub enum Call {$($(
            #[doc = concat!("[`", stringify!($trait), "::", stringify!($method), "`](crate::store::", stringify!($trait), "::", stringify!($method), ").")]
            $variant {
                $(#[serde(with = "crate::wire")] $key: Vec<u8>,)?
                $(#[serde(with = "crate::wire")] $value: Vec<u8>,)?
                $($(#[serde(with = $with)])? $arg: $kind,)*
            },
        )*)*}

        impl Call {
            /// The name of the method.
            pub fn method(&self) -> &'static str {
                match self {$($(Self::$variant { .. } => stringify!($method),)*)*}
            }

            /// Makes the call. A store that lacks the trait answers [`ErrorKind::Unsupported`].
            ///
            /// The future is boxed here, once for all callers: what awaits it is quick to compile.
            pub fn perform(self, store: &dyn Store) -> BoxFuture<'_, Result<Reply>> {
                Box::pin(async move {
                    match self {$($(
                        Self::$variant { $($key,)? $($value,)? $($arg,)* } => {
                            let store = store.$accessor().ok_or(ErrorKind::Unsupported)?;
                            store.$method($(&$key,)? $(&$value,)? $($arg,)*).await.map(Reply::from)
                        }
                    )*)*}
                })
            }

            /// The keys, prefixes and directories that it is given.
            pub(crate) fn keys_mut(&mut self) -> Vec<&mut Vec<u8>> {
                match self {$($(
                    Self::$variant { $($key,)? $($value: _,)? $($arg,)* } => {
                        let keys: Vec<&mut Vec<u8>> = vec![$($key)?];
                        keys.into_iter()$(.chain($arg.keys_mut()))*.collect()
                    }
                )*)*}
            }
        }

        impl Display for Call {
            fn fmt(&self, f: &mut Formatter) -> fmt::Result {
                match self {$($(
                    Self::$variant { $($key,)? $($value,)? $($arg,)* } => {
                        f.write_str($command)?;
                        $(write!(f, " {}", quote($key))?;)?
                        $(write!(f, " {}", quote($value))?;)?
                        $($arg.write(concat!($($name)?), f)?;)*
                        Ok(())
                    }
                )*)*}
            }
        }

        /// The type of what a call answers, by the name of its variant.
        #[cfg(feature = "mutants")]
        macro_rules! answer_of {
            $($(($variant) => { $answer };)*)*
        }
    };
}

calls!(declare);

impl dyn Store + '_ {
    /// The store as the trait that every store has, in the way that it shows the others.
    fn itself(&self) -> Option<&Self> {
        Some(self)
    }
}

#[cfg(feature = "mutants")]
pub(crate) use answer_of as answer_type;

/// Makes the enum of all answers, and the ways from them and back.
macro_rules! declare_replies {
    ($($(#[$meta:meta])* $variant:ident($(#[$wire:meta])* $answer:ty) as $text:path;)*) => {
        /// What a call answered.
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reply {$(
            $(#[$meta])*
            $variant($(#[$wire])* $answer),
        )*}

        impl Display for Reply {
            fn fmt(&self, f: &mut Formatter) -> fmt::Result {
                f.write_str(&match self {
                    $(Self::$variant(answer) => $text(answer),)*
                })
            }
        }

        $(
            impl From<$answer> for Reply {
                fn from(answer: $answer) -> Self {
                    Self::$variant(answer)
                }
            }

            impl TryFrom<Reply> for $answer {
                type Error = StoreError;

                fn try_from(reply: Reply) -> Result<Self> {
                    match reply {
                        Reply::$variant(answer) => Ok(answer),
                        other => Err(other.misfit(stringify!($answer))),
                    }
                }
            }
        )*
    };
}

replies!(declare_replies);

impl Reply {
    /// The error of a layer that gave this reply to a call whose answer is of another type.
    fn misfit(&self, wanted: &str) -> StoreError {
        // What comes out of the table has blanks between its signs.
        let wanted = wanted.replace(' ', "");
        let message = format!("a layer replied '{self}', which is not of type {wanted}");
        StoreError::own(ErrorKind::Other, message)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}

fn ended() -> WatchStream {
    Box::pin(futures_util::stream::empty())
}
