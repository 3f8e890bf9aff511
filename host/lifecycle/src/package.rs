//! Fabric's chaincode package (`WIRE.md` section 17), of the one type that hosts here run:
//!
//! ```text
//! gzip(tar(metadata.json, code.tar.gz))      metadata.json = {"type":"wasm","path":…,"label":…}
//!          code.tar.gz = gzip(tar(<name>.wasm))
//! ```
//!
//! Whoever reaches an admin's command line made the bytes, so reading trusts nothing: it unpacks in
//! memory and within limits, and follows no path or link. Each package has its id by its bytes, so
//! nothing may stand in it that reading would pass over.

use std::fmt;
use std::io::{self, Read as _, Write as _};

use bytes::Bytes;
use cordon_wire::sha256;
use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use tar::EntryType;

use crate::limits::{METADATA_BYTES_MAX, PACKAGE_BYTES_MAX, TAR_BYTES_MAX};
use crate::names::{Label, NameError, PackageId};

const METADATA: &str = "metadata.json";
const CODE: &str = "code.tar.gz";
const TYPE: &str = "wasm";
const EXTENSION: &str = ".wasm";

/// A package, read or made; it is whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Package {
    id: PackageId,
    path: String,
    bytes: Bytes,
    component: Bytes,
    component_sha256: [u8; 32],
}

/// Why bytes are not a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// More than [`PACKAGE_BYTES_MAX`] (or, for `metadata.json`, [`METADATA_BYTES_MAX`]), packed or
    /// unpacked.
    #[error("{part} has more than {bytes_max} bytes")]
    TooLarge {
        /// The part.
        part: &'static str,
        /// Its most bytes.
        bytes_max: usize,
    },
    /// Not gzip, or cut off, or with a wrong checksum.
    #[error("{part} is not a whole gzip file")]
    Gzip {
        /// The part.
        part: &'static str,
    },
    /// Something follows the gzip file.
    #[error("something follows the end of {part}")]
    Trailing {
        /// The part.
        part: &'static str,
    },
    /// Not a tar, or cut off.
    #[error("{part} is not a whole tar file")]
    Tar {
        /// The part.
        part: &'static str,
    },
    /// An entry that is a link, a folder or a device.
    #[error("{part} holds {name:?}, which is not an ordinary file")]
    NotAFile {
        /// The part.
        part: &'static str,
        /// The entry, cut to 64 characters.
        name: String,
    },
    /// An entry whose path leads out of the package.
    #[error("{part} holds {name:?}, which is not a path within it")]
    Path {
        /// The part.
        part: &'static str,
        /// The entry, cut to 64 characters.
        name: String,
    },
    /// An entry that does not belong there.
    #[error("{part} holds {name:?}; it holds exactly {expected}")]
    Unexpected {
        /// The part.
        part: &'static str,
        /// The entry, cut to 64 characters.
        name: String,
        /// What it holds.
        expected: &'static str,
    },
    /// A file twice.
    #[error("{part} holds {name:?} twice")]
    Twice {
        /// The part.
        part: &'static str,
        /// The file, cut to 64 characters.
        name: String,
    },
    /// A file that is not there.
    #[error("{part} lacks {name}")]
    Missing {
        /// The part.
        part: &'static str,
        /// The file.
        name: &'static str,
    },
    /// `metadata.json` is not what it must be.
    #[error("metadata.json: {reason}")]
    Metadata {
        /// What is wrong.
        reason: String,
    },
    /// Of another type.
    #[error(
        "metadata.json has type {found:?}; contracts here are WebAssembly components, type \"wasm\""
    )]
    Type {
        /// The type, cut to 64 characters.
        found: String,
    },
    /// A label that is none.
    #[error("metadata.json: {0}")]
    Label(NameError),
}

/// `metadata.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    r#type: String,
    /// Where the code came from, as whoever made the package says; nothing is done with it.
    #[serde(default)]
    path: String,
    label: String,
}

// === impl Package ===

impl Package {
    /// Reads a package. Order of the two files, times, owners and modes do not matter.
    ///
    /// Cost: unpacks into at most three times [`PACKAGE_BYTES_MAX`], whatever the bytes are.
    ///
    /// # Errors
    /// [`PackageError`] for the first thing that is wrong.
    pub fn read(bytes: &Bytes) -> Result<Self, PackageError> {
        const PART: &str = "the package";
        within(PART, bytes.len(), PACKAGE_BYTES_MAX)?;
        let tar = unzip(PART, bytes)?;
        let (mut metadata, mut code) = (None, None);
        for (name, content) in files(PART, &tar)? {
            let slot = match name.as_str() {
                METADATA => &mut metadata,
                CODE => &mut code,
                _ => {
                    return Err(PackageError::Unexpected {
                        part: PART,
                        name: cut(&name),
                        expected: "metadata.json and code.tar.gz",
                    });
                }
            };
            if slot.replace(content).is_some() {
                let name = cut(&name);
                return Err(PackageError::Twice { part: PART, name });
            }
        }
        let missing = |name| PackageError::Missing { part: PART, name };
        let metadata = read_metadata(metadata.ok_or(missing(METADATA))?)?;
        let label = metadata.label.parse().map_err(PackageError::Label)?;
        let component = read_code(code.ok_or(missing(CODE))?)?;
        Ok(Self::of(label, metadata.path, component, bytes.clone()))
    }

    /// Makes the package of a component: the same bytes for the same arguments. `path` tells where
    /// the component came from, and may be empty.
    ///
    /// # Errors
    /// [`PackageError::TooLarge`].
    pub fn write(label: &Label, path: &str, component: &[u8]) -> Result<Self, PackageError> {
        within("the component", component.len(), PACKAGE_BYTES_MAX)?;
        let metadata = Metadata {
            r#type: TYPE.to_owned(),
            path: path.to_owned(),
            label: label.to_string(),
        };
        let metadata = serde_json::to_vec(&metadata).map_err(|e| metadata_error(&e))?;
        within(METADATA, metadata.len(), METADATA_BYTES_MAX)?;
        let packed = |files: &[(&str, &[u8])]| zip(files).map(Bytes::from);
        let too_large = |_: io::Error| PackageError::TooLarge {
            part: "the package",
            bytes_max: PACKAGE_BYTES_MAX,
        };
        let code = packed(&[("contract.wasm", component)]).map_err(too_large)?;
        let bytes = packed(&[(METADATA, &metadata), (CODE, &code)]).map_err(too_large)?;
        within("the package", bytes.len(), PACKAGE_BYTES_MAX)?;
        let component = Bytes::copy_from_slice(component);
        Ok(Self::of(label.clone(), path.to_owned(), component, bytes))
    }

    fn of(label: Label, path: String, component: Bytes, bytes: Bytes) -> Self {
        Self {
            id: PackageId {
                label,
                sha256: sha256([bytes.as_ref()]),
            },
            path,
            component_sha256: sha256([component.as_ref()]),
            bytes,
            component,
        }
    }

    /// Its id.
    pub fn id(&self) -> &PackageId {
        &self.id
    }

    /// Where the component came from, as whoever made the package says; possibly empty.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The package itself.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The component's bytes; nothing is known of them yet.
    pub fn component(&self) -> &Bytes {
        &self.component
    }

    /// SHA-256 of the component, by which hosts know code.
    pub fn component_sha256(&self) -> &[u8; 32] {
        &self.component_sha256
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package")
            .field("id", &self.id.to_string())
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

// === reading ===

fn read_metadata(json: &[u8]) -> Result<Metadata, PackageError> {
    within(METADATA, json.len(), METADATA_BYTES_MAX)?;
    let metadata: Metadata = serde_json::from_slice(json).map_err(|e| metadata_error(&e))?;
    if metadata.r#type != TYPE {
        let found = cut(&metadata.r#type);
        return Err(PackageError::Type { found });
    }
    Ok(metadata)
}

fn metadata_error(error: &serde_json::Error) -> PackageError {
    PackageError::Metadata {
        reason: error.to_string().chars().take(200).collect(),
    }
}

/// The one component in `code.tar.gz`.
fn read_code(code: &[u8]) -> Result<Bytes, PackageError> {
    within(CODE, code.len(), PACKAGE_BYTES_MAX)?;
    let tar = unzip(CODE, code)?;
    let mut component = None;
    for (name, content) in files(CODE, &tar)? {
        if !name.ends_with(EXTENSION) || component.is_some() {
            return Err(PackageError::Unexpected {
                part: CODE,
                name: cut(&name),
                expected: "one file, the component, whose name ends in .wasm",
            });
        }
        component = Some(content);
    }
    let component = component.ok_or(PackageError::Missing {
        part: CODE,
        name: "the component, a file whose name ends in .wasm",
    })?;
    within("the component", component.len(), PACKAGE_BYTES_MAX)?;
    Ok(Bytes::copy_from_slice(component))
}

/// Unpacks a gzip file of one member, into at most [`TAR_BYTES_MAX`].
fn unzip(part: &'static str, bytes: &[u8]) -> Result<Vec<u8>, PackageError> {
    let mut decoder = GzDecoder::new(bytes);
    let mut unpacked = Vec::new();
    let most = TAR_BYTES_MAX as u64 + 1;
    let read = decoder.by_ref().take(most).read_to_end(&mut unpacked);
    read.map_err(|_| PackageError::Gzip { part })?;
    within(part, unpacked.len(), TAR_BYTES_MAX)?;
    // The decoder stops after the first member and its checksum.
    if !decoder.into_inner().is_empty() {
        return Err(PackageError::Trailing { part });
    }
    Ok(unpacked)
}

/// The files of a tar, in order. Names are checked paths.
fn files<'a>(part: &'static str, tar: &'a [u8]) -> Result<Vec<(String, &'a [u8])>, PackageError> {
    let broken = || PackageError::Tar { part };
    let mut archive = tar::Archive::new(tar);
    let mut files = Vec::new();
    // Where the last file ends.
    let mut end = 0;
    for entry in archive.entries().map_err(|_| broken())? {
        let entry = entry.map_err(|_| broken())?;
        let name = entry.path_bytes();
        let name = match std::str::from_utf8(&name) {
            Ok(name) if is_within(name) => name.to_owned(),
            _ => {
                let name = cut(&String::from_utf8_lossy(&name));
                return Err(PackageError::Path { part, name });
            }
        };
        if !matches!(entry.header().entry_type(), EntryType::Regular) {
            let name = cut(&name);
            return Err(PackageError::NotAFile { part, name });
        }
        let start = usize::try_from(entry.raw_file_position()).map_err(|_| broken())?;
        let size = usize::try_from(entry.size()).map_err(|_| broken())?;
        let past = start.checked_add(size).ok_or_else(broken)?;
        files.push((name, tar.get(start..past).ok_or_else(broken)?));
        end = past.checked_next_multiple_of(512).ok_or_else(broken)?;
    }
    // Two empty blocks end a tar, and more of them may fill it up.
    let rest = tar.get(end..).ok_or_else(broken)?;
    if rest.len() < 1024 {
        return Err(broken());
    }
    if rest.iter().any(|&byte| byte != 0) {
        return Err(PackageError::Trailing { part });
    }
    Ok(files)
}

/// Whether a path names something below the folder that it stands in, on any system.
fn is_within(path: &str) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '\\' | ':');
    path.chars().all(plain) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn within(part: &'static str, bytes: usize, bytes_max: usize) -> Result<(), PackageError> {
    if bytes > bytes_max {
        return Err(PackageError::TooLarge { part, bytes_max });
    }
    Ok(())
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

// === writing ===

/// A gzip of a tar of `files`, without anything of the time and place where it is made.
fn zip(files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_path(name)?;
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        tar.append(&header, *content)?;
    }
    // 255: no operating system.
    let gzip = GzBuilder::new().mtime(0).operating_system(255);
    let mut gzip = gzip.write(Vec::new(), Compression::best());
    gzip.write_all(&tar.into_inner()?)?;
    gzip.finish()
}

#[cfg(test)]
mod tests;
