//! Packages of contracts. The first byte says how deep the rest stands: it is a whole package, the tar
//! in one, or the tar in its `code.tar.gz`; what is around it is made here, with checksums that hold.

use std::io::Write as _;

use bytes::Bytes;
use cordon_lifecycle::{PACKAGE_BYTES_MAX, Package, PackageId};
use flate2::Compression;
use flate2::write::GzEncoder;

/// A package: refused with a reason, or whole, and then the same when it is packed again.
pub fn package(bytes: &[u8]) {
    let Some((depth, rest)) = bytes.split_first() else {
        return;
    };
    let bytes = match depth % 3 {
        0 => rest.to_vec(),
        1 => gzip(rest),
        _ => gzip(&around(&gzip(rest))),
    };
    let bytes = Bytes::from(bytes);
    let package = match Package::read(&bytes) {
        Ok(package) => package,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(package.bytes(), &bytes);
    assert!(package.component().len() <= PACKAGE_BYTES_MAX);
    let id = package.id().to_string();
    assert_eq!(id.parse::<PackageId>().as_ref(), Ok(package.id()));
    let label = &package.id().label;
    let again = Package::write(label, package.path(), package.component());
    let again = again.expect("what we read we write");
    assert_eq!(Package::read(again.bytes()).as_ref(), Ok(&again));
    assert_eq!(again.component_sha256(), package.component_sha256());
}

/// A package's tar with this `code.tar.gz`.
fn around(code: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let metadata = br#"{"type":"wasm","path":"","label":"emr_1"}"#;
    for (name, content) in [("metadata.json", &metadata[..]), ("code.tar.gz", code)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}
