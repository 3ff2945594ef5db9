//! Layers: one function that every call of a store goes through.

use std::sync::Arc;

use super::*;

/// What stands between a store and its caller: a fault, a delay, a record of the calls.
///
/// ```
/// use std::sync::Arc;
///
/// use kvspec::async_trait;
/// use kvspec::backend::memory::MemoryStore;
/// use kvspec::store::{Call, Layer, Layered, Reply, Result, Store};
///
/// /// Cuts off every value after ten bytes.
/// struct Cuts;
///
/// #[async_trait]
/// impl<S: Store> Layer<S> for Cuts {
///     async fn call(&self, next: &Arc<S>, _client: usize, mut call: Call) -> Result<Reply> {
///         if let Call::Update { value, .. } = &mut call {
///             value.truncate(10);
///         }
///         call.perform(next.as_ref()).await
///     }
/// }
///
/// # #[kvspec::tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let store = Layered::new(Arc::new(Cuts), MemoryStore::new(), 0);
/// store.update(b"k", b"a value that is too long").await?;
/// assert_eq!(store.read(b"k").await?, Some(b"a value th".to_vec()));
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Layer<S: Store>: Send + Sync {
    /// Answers a call of one client, whose number counts from 0; `next` is that client of the store below.
    async fn call(&self, next: &Arc<S>, client: usize, call: Call) -> Result<Reply>;

    /// The prefix below which a client may write.
    fn base_prefix<'a>(&'a self, next: &'a S) -> &'a [u8] {
        next.base_prefix()
    }

    /// Whether an extension trait of the store below is shown.
    fn shows(&self, _extension: Extension) -> bool {
        true
    }
}

/// One client of a store behind a layer. It has the extension traits of the store below that the layer shows.
pub struct Layered<S> {
    layer: Arc<dyn Layer<S>>,
    next: Arc<S>,
    client: usize,
}

impl<S: Store> Layered<S> {
    /// The client of that number, counted from 0, with a layer before it.
    pub fn new(layer: Arc<dyn Layer<S>>, next: S, client: usize) -> Self {
        Self { layer, next: Arc::new(next), client }
    }
}

/// Makes the extension enum of the table, and every trait of it for a store behind a layer.
macro_rules! forward {
    (Store itself {$($core:tt)*} $($trait:ident $accessor:ident {$($calls:tt)*})*) => {
        /// An extension trait of [`Store`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Extension {$(
            #[doc = concat!("[`", stringify!($trait), "`](super::", stringify!($trait), ").")]
            $trait,
        )*}

        through_layer! {
            Store {
                fn base_prefix(&self) -> &[u8] {
                    self.layer.base_prefix(&self.next)
                }
                $(fn $accessor(&self) -> Option<&dyn $trait> {
                    let below = self.next.$accessor().filter(|_| self.layer.shows(Extension::$trait));
                    below.map(|_| self as &dyn $trait)
                })*
            }
            $($core)*
        }
        $(through_layer! { $trait {} $($calls)* })*
    };
}

/// Makes one trait for a store behind a layer: every call of it goes through the layer.
macro_rules! through_layer {
    ($trait:ident {$($items:item)*} $(
        $variant:ident $command:literal: $method:ident[$($key:ident)? $(; $value:ident)?](
            $($arg:ident $($name:literal)?: $kind:ty $(as $with:literal)?),*
        ) -> $answer:ty;
    )*) => {
        #[async_trait]
        impl<S: Store> $trait for Layered<S> {
            $($items)*
            $(async fn $method(&self, $($key: &[u8],)? $($value: &[u8],)? $($arg: $kind),*) -> Result<$answer> {
                let call = Call::$variant { $($key: $key.into(),)? $($value: $value.into(),)? $($arg),* };
                self.layer.call(&self.next, self.client, call).await?.try_into()
            })*
        }
    };
}

calls!(forward);
