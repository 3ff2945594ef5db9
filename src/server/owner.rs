//! Tells whether the process that started a server still lives, so that only what nobody owns is swept.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// The age from which something whose owner cannot be seen from here is taken to be left over: no run lasts a day.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// The process that started a server, named so that no later process can be mistaken for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// The process id, as its own namespace counts.
    pub pid: u32,
    /// When it started, in ticks since boot: a process id is used again, but not with the same start.
    pub start: u64,
    /// The inode of its process id namespace: the same id elsewhere is another process.
    pub namespace: u64,
    /// The boot of the machine that it runs on.
    pub boot: String,
}

/// What can be said of an owner from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It runs.
    Lives,
    /// It has ended.
    Gone,
    /// It belongs to another boot, machine or container, where this process cannot look.
    Unseen,
}

impl Owner {
    /// Names this process; `None` where the system has no `/proc` to tell.
    pub fn this() -> Option<Self> {
        let pid = std::process::id();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        Some(Self {
            pid,
            start: stat(pid)?.start,
            namespace: fs::metadata("/proc/self/ns/pid").ok()?.ino(),
            boot,
        })
    }

    /// Tells what this process can say of the owner.
    pub fn standing(&self) -> Standing {
        match Self::this() {
            Some(this) if this.boot == self.boot && this.namespace == self.namespace => {
                self.local_standing()
            }
            _ => Standing::Unseen,
        }
    }

    fn local_standing(&self) -> Standing {
        match stat(self.pid) {
            Some(stat) if stat.start == self.start && !stat.is_dead => Standing::Lives,
            Some(_) => Standing::Gone,
            // Not readable is not the same as not there.
            None if fs::exists(format!("/proc/{}", self.pid)).unwrap_or(true) => Standing::Lives,
            None => Standing::Gone,
        }
    }
}

struct Stat {
    start: u64,
    is_dead: bool,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some(Stat { start, is_dead: matches!(state, "Z" | "X") && !has_threads(pid) })
}

/// Tells whether a process whose first thread has ended still has another.
fn has_threads(pid: u32) -> bool {
    fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives() {
        assert_eq!(Owner::this().unwrap().standing(), Standing::Lives);
    }

    #[test]
    fn another_start_is_another_process() {
        let this = Owner::this().unwrap();
        assert_eq!(Owner { start: this.start + 1, ..this }.standing(), Standing::Gone);
    }

    #[test]
    fn a_child_that_was_reaped_is_gone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner {
            pid: child.id(),
            start: stat(child.id()).unwrap().start,
            ..Owner::this().unwrap()
        };
        assert_eq!(owner.standing(), Standing::Lives);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(owner.standing(), Standing::Gone);
    }

    #[test]
    fn another_boot_or_namespace_cannot_be_seen() {
        let this = Owner::this().unwrap();
        assert_eq!(Owner { boot: "another".into(), ..this.clone() }.standing(), Standing::Unseen);
        assert_eq!(Owner { namespace: this.namespace + 1, ..this }.standing(), Standing::Unseen);
    }
}
