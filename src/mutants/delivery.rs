//! Stores whose watches deliver late, or lose their connection.

use tokio::time::{Instant, sleep, sleep_until};

use super::fault::*;

mutants! {
    fn all(next, client);

    "watch-polls", W18, "An event comes 800 ms after its write."
        Watch { prefix } => {
            let late = |batch| {
                let due = Instant::now() + Duration::from_millis(800);
                async move { (sleep_until(due).await, batch).1 }
            };
            // More than any script writes within that time.
            Ok(next.watch(&prefix).await?.map(late).buffered(100_000).boxed())
        };

    "watch-reconnects-from-now", W3,
    "A watch loses its connection after 8 batches and goes on 1 ms later, without what was written meanwhile."
        Watch { prefix } => {
            let (connected, next) = ((next.watch(&prefix).await?, 0), next.clone());
            Ok(stream::unfold(connected, move |(mut inner, mut batches)| {
                let (next, prefix) = (next.clone(), prefix.clone());
                async move {
                    if batches == 8 {
                        drop(inner);
                        sleep(Duration::from_millis(1)).await;
                        (inner, batches) = (next.watch(&prefix).await.ok()?, 0);
                    }
                    Some((inner.next().await?, (inner, batches + 1)))
                }
            }).boxed())
        };
}
