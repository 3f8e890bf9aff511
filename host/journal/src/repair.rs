//! Sets the end of a damaged journal aside, so that the rest can be opened and written again.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::JournalError;
use crate::error::io_error;
use crate::format::{SEGMENT_HEADER_BYTES, segment_file};
use crate::journal::{lock, sync_dir};
use crate::scan::segment_numbers;

/// Moves everything in the journal `dir` from byte `offset` of segment `segment` on into `aside`,
/// which must not exist: later segments as they are, the end of this one as
/// `<segment>.seg.from-<offset>`. Nothing is lost, and a crash leaves every byte in at least one of
/// the two places.
///
/// `offset` is where a record begins ([`Location::record_offset`](crate::Location::record_offset),
/// or what damage was reported at); 0 moves the whole segment. `aside` has to be on the same file
/// system.
///
/// # Errors
/// [`JournalError::Locked`], [`JournalError::Io`].
pub fn set_aside(dir: &Path, segment: u32, offset: u64, aside: &Path) -> Result<(), JournalError> {
    let _lock = lock(dir)?;
    fs::create_dir(aside).map_err(io_error("create", aside))?;
    aside.parent().map_or(Ok(()), sync_dir)?;
    let keeps_start = offset >= SEGMENT_HEADER_BYTES;
    let path = segment_file(dir, segment);
    if keeps_start {
        copy_end(
            &path,
            offset,
            &aside.join(format!("{segment:08}.seg.from-{offset}")),
        )?;
    }
    // From the last one down, so that what remains never has a gap.
    for number in segment_numbers(dir)?.into_iter().rev() {
        if number > segment || (number == segment && !keeps_start) {
            let from = segment_file(dir, number);
            fs::rename(&from, segment_file(aside, number)).map_err(io_error("move", &from))?;
        }
    }
    sync_dir(aside)?;
    sync_dir(dir)?;
    if keeps_start {
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        file.set_len(offset).map_err(io_error("cut", &path))?;
        file.sync_all().map_err(io_error("make durable", &path))?;
    }
    Ok(())
}

fn copy_end(from: &Path, offset: u64, to: &Path) -> Result<(), JournalError> {
    let mut source = File::open(from).map_err(io_error("open", from))?;
    source
        .seek(SeekFrom::Start(offset))
        .map_err(io_error("read", from))?;
    let mut target = File::create_new(to).map_err(io_error("create", to))?;
    std::io::copy(&mut source.by_ref(), &mut target).map_err(io_error("copy to", to))?;
    target.sync_all().map_err(io_error("make durable", to))
}
