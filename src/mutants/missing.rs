//! Stores that lack a function, or a form of one.

use super::fault::*;
use super::watches::each;
use crate::store::Operand;

mutants! {
    fn all(next, client);

    "no-list", A5, "Lists are not supported."
        List { .. } => Err(ErrorKind::Unsupported.into());

    "no-delete", A5, "Deletions are not supported."
        Delete { .. } => Err(ErrorKind::Unsupported.into());

    "no-watch", A5, "Watches are not supported."
        Watch { .. } => Err(ErrorKind::Unsupported.into());

    "no-revision", A5, "The revision of the store is not known."
        Revision {} => Err(ErrorKind::Unsupported.into());

    "no-metadata", A5, "The counters of keys are not known."
        Metadata { .. } => Err(ErrorKind::Unsupported.into());

    "no-past", A5, "Keys cannot be read and listed at a revision."
        ReadAt { .. } => Err(ErrorKind::Unsupported.into());
        ListAt { revision: Some(_), .. } => Err(ErrorKind::Unsupported.into());

    "no-limit", A5, "A list has no limit."
        ListAt { limit: Some(_), .. } => Err(ErrorKind::Unsupported.into());

    "no-watch-from", A5, "A watch begins now and cannot begin at a revision."
        WatchFrom { .. } => Err(ErrorKind::Unsupported.into());

    "no-event-revisions", A5, "Each event says revision 0."
        Watch { prefix } => {
            Ok(each(next.watch(&prefix).await?, |event| vec![without_revision(event)]))
        };

    "no-compaction", A5, "Compaction is not supported."
        Compact { .. } => Err(ErrorKind::Unsupported.into());

    "no-leases", A5, "Leases are not granted."
        Lease { .. } => Err(ErrorKind::Unsupported.into());
        UpdateWithTtl { .. } => Err(ErrorKind::Unsupported.into());

    "no-chosen-ids", A5, "The ids of leases cannot be chosen."
        LeaseWithId { .. } => Err(ErrorKind::Unsupported.into());

    "no-attaching", A5, "Keys cannot be attached to leases."
        UpdateWithLease { .. } => Err(ErrorKind::Unsupported.into());

    "no-keep-alive", A5, "Leases cannot be renewed."
        KeepAlive { .. } => Err(ErrorKind::Unsupported.into());

    "no-time-left", A5, "Leases report nothing."
        TimeToLive { .. } => Err(ErrorKind::Unsupported.into());

    "no-revoke", A5, "Leases cannot be revoked."
        Revoke { .. } => Err(ErrorKind::Unsupported.into());

    "no-txns", A5, "Transactions are not supported."
        Txn { .. } => Err(ErrorKind::Unsupported.into());

    "no-other-txns", A5, "Transactions that compare values or leases are not supported."
        Txn { txn } if txn.compare.iter().any(is_of_value_or_lease) => {
            Err(ErrorKind::Unsupported.into())
        };

    "update-lost-after-another", K1, "A write of a key that exists is acknowledged and lost if another key was written since."
        [last: Mutex<Vec<u8>>]
        Update { key, value } => {
            let is_other = std::mem::replace(&mut *last.lock().unwrap(), key.clone()) != key;
            match next.read(&key).await? {
                Some(_) if is_other => Ok(()),
                _ => next.update(&key, &value).await,
            }
        };

    "refused-write-done-later", L6, "A write that was refused for its lease is done with the next write."
        [refused: Mutex<Option<(Vec<u8>, Vec<u8>)>>]
        Update { key, value } => {
            let late = refused.lock().unwrap().take();
            if let Some((key, value)) = late {
                next.update(&key, &value).await?;
            }
            next.update(&key, &value).await
        };
        UpdateWithLease { key, value, lease } => {
            let written = next.update_with_lease(&key, &value, lease).await;
            if refuses(&written, ErrorKind::LeaseNotFound) {
                *refused.lock().unwrap() = Some((key, value));
            }
            written
        };

    "watch-repeats-after-delete", W2, "After a deletion the last write of the key is delivered once more."
        Watch { prefix } => {
            let puts: Arc<Keys<WatchEvent>> = Arc::default();
            Ok(each(next.watch(&prefix).await?, move |event| {
                let mut puts = puts.lock().unwrap();
                match &event {
                    WatchEvent::Put { key, .. } => {
                        puts.insert(key.clone(), event.clone());
                        vec![event]
                    }
                    WatchEvent::Delete { key, .. } => {
                        let again = puts.remove(key);
                        [event].into_iter().chain(again).collect()
                    }
                }
            }))
        };

    "txn-any-lease", X8, "A comparison by lease holds for every key that is attached to a lease."
        Txn { mut txn } => {
            for compare in &mut txn.compare {
                let Operand::Lease(lease) = &mut compare.operand else { continue };
                let metadata = next.metadata(&compare.key).await?;
                *lease = metadata.and_then(|metadata| metadata.lease).unwrap_or(*lease);
            }
            next.txn(txn).await
        };

    "time-left-says-less-granted", L13, "The TTL that a lease is said to have been granted is what is left of it."
        TimeToLive { lease } => {
            let left = next.time_to_live(lease).await?;
            Ok(TimeToLive { granted: left.remaining / 2, ..left })
        };
}

fn without_revision(event: WatchEvent) -> WatchEvent {
    let mod_revision = Some(0);
    match event {
        WatchEvent::Put { key, value, .. } => WatchEvent::Put { key, value, mod_revision },
        WatchEvent::Delete { key, .. } => WatchEvent::Delete { key, mod_revision },
    }
}

fn is_of_value_or_lease(compare: &crate::store::Compare) -> bool {
    matches!(compare.operand, Operand::Value(_) | Operand::Lease(_))
}
