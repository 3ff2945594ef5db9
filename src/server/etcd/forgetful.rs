//! A folder that forgets, when it loses power, what was written to it and not synced.
//!
//! It is a FUSE file system in this process. Names, modes and empty files are on the disk at once; what is written to a file
//! is kept in memory until the file is synced. A loss of power is the end of the mount: the memory goes with it.
//!
//! The mount belongs to the mount namespace of the thread that made it, so no one else sees it, and it ends with the
//! thread and the processes that the thread started, however they end.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::unsynced::{PAGE, Unsynced};
use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};

/// How long the kernel may keep names and attributes: no one else changes them.
const KEPT: Duration = Duration::from_secs(3600);

/// How long a sync takes, as on a slow disk: in that time a server is caught that answers before it has synced.
const SYNC: Duration = Duration::from_millis(20);

/// A mounted folder. Dropping it is the loss of power.
pub(super) struct Forgetful {
    session: Option<BackgroundSession>,
    has_power: Arc<AtomicBool>,
}

impl Forgetful {
    /// Why no such folder can be mounted here, if that is so.
    pub fn cannot_mount() -> Option<String> {
        // SAFETY: a system call without arguments that cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return Some("mounting a file system that loses power needs root".into());
        }
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        device.err().map(|error| format!("cannot open /dev/fuse: {error}"))
    }

    /// Gives the calling thread mounts of its own, which the processes that it starts share.
    pub fn own_mounts() -> Result<(), String> {
        let failed = |what: &str| format!("cannot {what}: {}", io::Error::last_os_error());
        // SAFETY: a system call on plain numbers, which changes this thread alone.
        if unsafe { libc::unshare(libc::CLONE_FS | libc::CLONE_NEWNS) } != 0 {
            return Err(failed("make a mount namespace"));
        }
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: the strings are constants that end in NUL, and the others may be null here.
        let made = unsafe {
            libc::mount(c"none".as_ptr(), c"/".as_ptr(), std::ptr::null(), flags, std::ptr::null())
        };
        if made == 0 { Ok(()) } else { Err(failed("make the mounts of a thread its own")) }
    }

    /// Mounts a folder at `at` that keeps on `disk` what was synced.
    pub fn mount(disk: &Path, at: &Path) -> Result<Self, String> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("kvspec".into())];
        let has_power = Arc::new(AtomicBool::new(true));
        let files = Files::new(disk, has_power.clone());
        let session = fuser::spawn_mount(files, at, &config)
            .map_err(|error| format!("cannot mount a file system at {}: {error}", at.display()))?;
        Ok(Self { session: Some(session), has_power })
    }

    /// Takes the power: nothing is synced from now on, what is being synced included.
    pub fn cut(&self) {
        self.has_power.store(false, Ordering::Relaxed);
    }
}

impl Drop for Forgetful {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // A mount that is busy ends with the namespace.
            let _ = session.umount_and_join();
        }
    }
}

/// The file system.
struct Files {
    disk: PathBuf,
    state: Mutex<State>,
    has_power: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    nodes: HashMap<u64, Node>,
    numbers: HashMap<(u64, OsString), u64>,
    open: HashMap<u64, (u64, File)>,
    last_number: u64,
    last_handle: u64,
}

/// A file or folder: where it is, and what of it is not synced.
struct Node {
    parent: u64,
    name: OsString,
    unsynced: Option<Unsynced>,
}

impl State {
    fn number(&mut self, parent: u64, name: &OsStr) -> u64 {
        let place = (parent, name.to_owned());
        if let Some(number) = self.numbers.get(&place) {
            return *number;
        }
        self.last_number += 1;
        self.numbers.insert(place, self.last_number);
        self.nodes.insert(self.last_number, Node { parent, name: name.into(), unsynced: None });
        self.last_number
    }

    /// The path below the disk.
    fn path(&self, number: u64) -> PathBuf {
        match self.nodes.get(&number) {
            Some(node) if number != INodeNo::ROOT.0 => self.path(node.parent).join(&node.name),
            _ => PathBuf::new(),
        }
    }

    fn forget(&mut self, parent: u64, name: &OsStr) -> Option<u64> {
        self.numbers.remove(&(parent, name.to_owned()))
    }

    fn handle(&mut self, number: u64, file: File) -> FileHandle {
        self.last_handle += 1;
        self.open.insert(self.last_handle, (number, file));
        FileHandle(self.last_handle)
    }

    /// The unsynced part of a file, begun now if there was none.
    fn unsynced(&mut self, number: u64, file: &File) -> io::Result<&mut Unsynced> {
        let node = self.nodes.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
        if node.unsynced.is_none() {
            let length = file.metadata()?.len();
            node.unsynced = Some(Unsynced::new(length));
        }
        node.unsynced.as_mut().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Files {
    fn new(disk: &Path, has_power: Arc<AtomicBool>) -> Self {
        let mut state = State::default();
        state.number(0, OsStr::new(""));
        Self { disk: disk.into(), state: Mutex::new(state), has_power }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, parent: INodeNo, name: &OsStr) -> PathBuf {
        self.disk.join(self.state().path(parent.0)).join(name)
    }

    fn attributes(&self, number: u64) -> io::Result<FileAttr> {
        let state = self.state();
        let meta = fs::symlink_metadata(self.disk.join(state.path(number)))?;
        let unsynced = state.nodes.get(&number).and_then(|node| node.unsynced.as_ref());
        let modified = meta.modified().unwrap_or(UNIX_EPOCH);
        Ok(FileAttr {
            ino: INodeNo(number),
            size: unsynced.map_or(meta.len(), |unsynced| unsynced.length),
            blocks: meta.blocks(),
            atime: modified,
            mtime: modified,
            ctime: modified,
            crtime: UNIX_EPOCH,
            kind: if meta.is_dir() { FileType::Directory } else { FileType::RegularFile },
            perm: (meta.mode() & 0o7777) as u16,
            nlink: meta.nlink() as u32,
            uid: meta.uid(),
            gid: meta.gid(),
            rdev: 0,
            blksize: PAGE as u32,
            flags: 0,
        })
    }

    fn entry(&self, parent: INodeNo, name: &OsStr) -> io::Result<FileAttr> {
        fs::symlink_metadata(self.path(parent, name))?;
        let number = self.state().number(parent.0, name);
        self.attributes(number)
    }

    fn opened(&self, number: u64) -> io::Result<File> {
        let path = self.disk.join(self.state().path(number));
        OpenOptions::new().read(true).write(true).open(path)
    }

    /// Does something with an open file.
    fn with<T>(
        &self,
        handle: FileHandle,
        work: impl FnOnce(&mut Unsynced, &File) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let (number, file) = state.open.get(&handle.0).ok_or(io::ErrorKind::NotFound)?;
        let (number, file) = (*number, file.try_clone()?);
        work(state.unsynced(number, &file)?, &file)
    }

    fn made(&self, parent: INodeNo, name: &OsStr, mode: u32) -> io::Result<FileAttr> {
        fs::set_permissions(self.path(parent, name), fs::Permissions::from_mode(mode & 0o7777))?;
        self.entry(parent, name)
    }

    fn resized(&self, number: u64, length: u64) -> io::Result<()> {
        let file = self.opened(number)?;
        self.state().unsynced(number, &file)?.resize(&file, length)
    }

    fn moved(&self, from: (INodeNo, &OsStr), to: (INodeNo, &OsStr)) -> io::Result<()> {
        fs::rename(self.path(from.0, from.1), self.path(to.0, to.1))?;
        let mut state = self.state();
        if let Some(number) = state.forget(from.0.0, from.1) {
            state.numbers.insert((to.0.0, to.1.into()), number);
            if let Some(node) = state.nodes.get_mut(&number) {
                (node.parent, node.name) = (to.0.0, to.1.into());
            }
        }
        Ok(())
    }

    fn names(&self, folder: INodeNo) -> io::Result<Vec<(u64, FileType, OsString)>> {
        let path = self.disk.join(self.state().path(folder.0));
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let is_folder = entry.file_type()?.is_dir();
            let kind = if is_folder { FileType::Directory } else { FileType::RegularFile };
            names.push((
                self.state().number(folder.0, &entry.file_name()),
                kind,
                entry.file_name(),
            ));
        }
        names.sort_by(|(_, _, one), (_, _, other)| one.cmp(other));
        Ok(names)
    }
}

/// Answers a request with what was done, or with the error that kept it from being done.
macro_rules! answer {
    ($reply:ident, $done:expr, |$value:pat_param| $answer:expr) => {
        match $done {
            Ok($value) => $answer,
            Err(error) => $reply.error(Errno::from(io::Error::from(error))),
        }
    };
}

impl Filesystem for Files {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer!(reply, self.entry(parent, name), |found| reply.entry(&KEPT, &found, Generation(0)))
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer!(reply, self.attributes(ino.0), |found| reply.attr(&KEPT, &found))
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let path = self.disk.join(self.state().path(ino.0));
        let set = mode.map_or(Ok(()), |mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))
        });
        let set = set.and_then(|()| size.map_or(Ok(()), |size| self.resized(ino.0, size)));
        answer!(reply, set.and_then(|()| self.attributes(ino.0)), |found| reply.attr(&KEPT, &found))
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let made = fs::create_dir(self.path(parent, name));
        let made = made.and_then(|()| self.made(parent, name, mode));
        answer!(reply, made, |found| reply.entry(&KEPT, &found, Generation(0)))
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let path = self.path(parent, name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let made = file.and_then(|file| Ok((file, self.made(parent, name, mode)?)));
        answer!(reply, made, |(file, found)| {
            let handle = self.state().handle(found.ino.0, file);
            reply.created(&KEPT, &found, Generation(0), handle, FopenFlags::empty())
        })
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = fs::remove_file(self.path(parent, name));
        self.state().forget(parent.0, name);
        answer!(reply, removed, |()| reply.ok())
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = fs::remove_dir(self.path(parent, name));
        self.state().forget(parent.0, name);
        answer!(reply, removed, |()| reply.ok())
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to: INodeNo,
        to_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer!(reply, self.moved((parent, name), (to, to_name)), |()| reply.ok())
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let opened = self.opened(ino.0).and_then(|file| {
            if flags.0 & libc::O_TRUNC != 0 {
                self.resized(ino.0, 0)?;
            }
            Ok(file)
        });
        answer!(reply, opened, |file| {
            reply.opened(self.state().handle(ino.0, file), FopenFlags::FOPEN_KEEP_CACHE)
        })
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        at: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.with(handle, |unsynced, file| {
            let count = u64::from(size).min(unsynced.length.saturating_sub(at));
            let mut buffer = vec![0; count as usize];
            unsynced.read(file, at, &mut buffer)?;
            Ok(buffer)
        });
        answer!(reply, read, |buffer| reply.data(&buffer))
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        at: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.with(handle, |unsynced, file| unsynced.write(file, at, data));
        answer!(reply, written, |()| reply.written(data.len() as u32))
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        at: u64,
        count: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode & !libc::FALLOC_FL_KEEP_SIZE != 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let grown = self.with(handle, |unsynced, _| {
            if mode == 0 {
                unsynced.length = unsynced.length.max(at + count);
            }
            Ok(())
        });
        answer!(reply, grown, |()| reply.ok())
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.state().open.remove(&handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        std::thread::sleep(SYNC);
        let synced = self.with(handle, |unsynced, file| {
            if !self.has_power.load(Ordering::Relaxed) {
                return Err(io::Error::other("the power is lost"));
            }
            unsynced.sync(file)
        });
        answer!(reply, synced, |()| reply.ok())
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        // Names are on the disk at once.
        reply.ok();
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        answer!(reply, self.names(ino), |names| {
            for (place, (number, kind, name)) in names.iter().enumerate().skip(offset as usize) {
                if reply.add(INodeNo(*number), place as u64 + 1, *kind, name) {
                    break;
                }
            }
            reply.ok()
        })
    }
}

#[cfg(test)]
#[path = "forgetful_tests.rs"]
mod tests;
