//! How much the host's files take, and how much room there is for more.

use std::fs;
use std::path::Path;

/// With less room than that the host is not healthy: a block may not fit.
const FREE_MIN_BYTES: u64 = 64 << 20;

/// Bytes in all files below a folder; 0 when there is none. What goes away meanwhile is not counted.
pub(crate) fn used(folder: &Path) -> u64 {
    let mut total = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => total += metadata.len(),
                Err(_) => {}
            }
        }
    }
    total
}

/// What the file system says of a folder.
pub(crate) struct Room {
    /// Bytes that this process may still write.
    pub(crate) free_bytes: u64,
    /// Whether it may write at all.
    pub(crate) writable: bool,
}

/// The room where `folder` is.
///
/// # Errors
/// A sentence, when the file system does not tell.
pub(crate) fn room(folder: &Path) -> Result<Room, String> {
    let found = rustix::fs::statvfs(folder).map_err(|error| error.to_string())?;
    let access = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK);
    let read_only = found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
    Ok(Room {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        writable: access.is_ok() && !read_only,
    })
}

/// Why no block could be written, if so.
pub(crate) fn complaint(room: Result<Room, String>) -> Option<String> {
    match room {
        Err(reason) => Some(format!("the data folder cannot be looked at: {reason}")),
        Ok(Room {
            writable: false, ..
        }) => Some("the data folder is not writable".to_owned()),
        Ok(Room { free_bytes, .. }) if free_bytes < FREE_MIN_BYTES => Some(format!(
            "{free_bytes} bytes are free, at least {FREE_MIN_BYTES} are needed"
        )),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_below_a_folder_are_added_up() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("x"), [0; 10]).unwrap();
        fs::write(dir.path().join("a/b/y"), [0; 5]).unwrap();
        assert_eq!(used(dir.path()), 15);
        assert_eq!(used(&dir.path().join("missing")), 0);
        assert!(room(dir.path()).is_ok_and(|room| room.writable));
    }

    #[test]
    fn a_disk_that_takes_no_block_is_complained_of() {
        let room = |free_bytes, writable| {
            Ok(Room {
                free_bytes,
                writable,
            })
        };
        assert_eq!(complaint(room(FREE_MIN_BYTES, true)), None);
        let complaints = [
            (room(FREE_MIN_BYTES - 1, true), "bytes are free"),
            (room(u64::MAX, false), "not writable"),
            (Err("gone".to_owned()), "gone"),
        ];
        for (room, expected) in complaints {
            let text = complaint(room).unwrap();
            assert!(text.contains(expected), "{text}");
        }
    }
}
