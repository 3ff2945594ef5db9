//! What a folder that loses power keeps, and what not.

use std::os::unix::fs::FileExt;

use super::*;

/// Runs `work` in a thread that has mounts of its own, where that can be.
fn on_own_mounts(work: impl FnOnce(&Path, &Path) + Send) {
    if let Some(reason) = Forgetful::cannot_mount() {
        eprintln!("skipped: {reason}");
        return;
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            Forgetful::own_mounts().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let (disk, at) = (folder.path().join("disk"), folder.path().join("at"));
            fs::create_dir(&disk).unwrap();
            fs::create_dir(&at).unwrap();
            work(&disk, &at);
        });
    });
}

#[test]
fn what_was_not_synced_is_lost_with_the_power() {
    on_own_mounts(|disk, at| {
        let mounted = Forgetful::mount(disk, at).unwrap();
        fs::create_dir(at.join("folder")).unwrap();
        let file = File::create(at.join("folder/file")).unwrap();
        file.write_all_at(&[b'a'; 5000], 0).unwrap();
        file.sync_data().unwrap();
        fs::rename(at.join("folder"), at.join("moved")).unwrap();
        file.write_all_at(b"bb", 4095).unwrap();
        file.set_len(6000).unwrap();
        let seen = fs::read(at.join("moved/file")).unwrap();
        assert_eq!((seen.len(), &seen[4094..4098], seen[5999]), (6000, b"abba".as_slice(), 0));
        drop(file);
        drop(mounted);
        let _again = Forgetful::mount(disk, at).unwrap();
        assert_eq!(fs::read(at.join("moved/file")).unwrap(), [b'a'; 5000]);
    });
}

#[test]
fn a_file_that_shrank_grows_by_zeros() {
    on_own_mounts(|disk, at| {
        let _mounted = Forgetful::mount(disk, at).unwrap();
        fs::write(at.join("file"), [b'a'; 9000]).unwrap();
        let file = OpenOptions::new().write(true).open(at.join("file")).unwrap();
        file.set_len(10).unwrap();
        file.set_len(20).unwrap();
        file.sync_all().unwrap();
        let expected = [[b'a'; 10], [0; 10]].concat();
        assert_eq!(fs::read(at.join("file")).unwrap(), expected);
        assert_eq!(fs::read(disk.join("file")).unwrap(), expected);
    });
}

#[test]
fn nobody_else_sees_the_mount() {
    on_own_mounts(|disk, at| {
        let _mounted = Forgetful::mount(disk, at).unwrap();
        fs::write(at.join("file"), b"v").unwrap();
        let at = at.join("file");
        let seen = std::thread::spawn(move || {
            fs::read("/proc/1/mounts").map(|all| {
                String::from_utf8_lossy(&all).contains(&*at.parent().unwrap().to_string_lossy())
            })
        });
        assert!(seen.join().unwrap().is_ok_and(|seen| !seen));
    });
}
