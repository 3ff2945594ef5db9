//! Waits for a server that was just started.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::timeout;

use super::StartError;

/// Between two looks at a server that is starting: short next to the half second that etcd takes.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until a server that was just started passes its check, or `ended` says that it has ended.
pub(super) async fn ready<T, E: Display>(
    startup: Duration,
    check: impl AsyncFn() -> Result<T, E>,
    mut ended: impl AsyncFnMut() -> Option<StartError>,
) -> Result<T, StartError> {
    let mut last = None;
    let passing = async {
        loop {
            match check().await {
                Ok(checked) => return Ok(checked),
                Err(error) => last = Some(error),
            }
            if let Some(reason) = ended().await {
                return Err(reason);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match timeout(startup, passing).await {
        Ok(result) => result,
        Err(_) => Err(StartError::Other(format!(
            "not ready within {startup:?}{}",
            last.map_or(String::new(), |error| format!(", last seen at {error}"))
        ))),
    }
}
