//! What was written to a file and not synced.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The unit in which unsynced data is kept, in bytes.
pub(super) const PAGE: u64 = 4096;

/// The length of a file, and its pages that differ from the disk's.
pub(super) struct Unsynced {
    pub length: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Unsynced {
    pub fn new(length: u64) -> Self {
        Self { length, pages: BTreeMap::new() }
    }

    fn page(&mut self, file: &File, page: u64) -> io::Result<&mut Vec<u8>> {
        Ok(match self.pages.entry(page) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let mut bytes = vec![0; PAGE as usize];
                fill(file, &mut bytes, page * PAGE)?;
                new.insert(bytes)
            }
        })
    }

    pub fn write(&mut self, file: &File, at: u64, data: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < data.len() {
            let place = at + done as u64;
            let from = (place % PAGE) as usize;
            let count = (data.len() - done).min(PAGE as usize - from);
            self.page(file, place / PAGE)?[from..from + count]
                .copy_from_slice(&data[done..done + count]);
            done += count;
        }
        self.length = self.length.max(at + data.len() as u64);
        Ok(())
    }

    pub fn read(&self, file: &File, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        fill(file, buffer, at)?;
        let pages = self.pages.range(at / PAGE..=(at + buffer.len() as u64) / PAGE);
        for (page, bytes) in pages {
            let start = page * PAGE;
            let (from, to) = (start.max(at), (start + PAGE).min(at + buffer.len() as u64));
            if from < to {
                buffer[(from - at) as usize..(to - at) as usize]
                    .copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
            }
        }
        Ok(())
    }

    pub fn resize(&mut self, file: &File, length: u64) -> io::Result<()> {
        if length < self.length {
            self.pages.retain(|page, _| page * PAGE < length);
            // What lies behind the end reads as zeros once the file grows again.
            let end = self.length.min(length.next_multiple_of(PAGE));
            let zeros = vec![0; (end - length) as usize];
            self.write(file, length, &zeros)?;
        }
        self.length = length;
        Ok(())
    }

    pub fn sync(&mut self, file: &File) -> io::Result<()> {
        for (page, bytes) in std::mem::take(&mut self.pages) {
            file.write_all_at(&bytes, page * PAGE)?;
        }
        file.set_len(self.length)
    }
}

/// Reads as much as there is; the rest of the buffer becomes zeros.
fn fill(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    buffer.fill(0);
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], at + done as u64)? {
            0 => break,
            count => done += count,
        }
    }
    Ok(())
}
