use super::*;
use proptest::prelude::*;

const COMPONENT: &[u8] = b"\0asm a component";

fn label() -> Label {
    "emr_1.0".parse().unwrap()
}

fn metadata() -> Vec<u8> {
    br#"{"type":"wasm","path":"","label":"emr_1.0"}"#.to_vec()
}

fn read(bytes: Vec<u8>) -> Result<Package, PackageError> {
    Package::read(&Bytes::from(bytes))
}

fn code() -> Vec<u8> {
    zip(&[("emr.wasm", COMPONENT)]).unwrap()
}

/// A gzip of any bytes.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An entry whose name and type are not checked by anybody.
fn entry(name: &str, kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(content.len() as u64);
    header.set_entry_type(kind);
    header.set_mode(0o777);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn tar_of(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

/// A package whose `code.tar.gz` holds these entries.
fn with_code(entries: &[Vec<u8>]) -> Result<Package, PackageError> {
    read(zip(&[(METADATA, &metadata()), (CODE, &gzip(&tar_of(entries)))]).unwrap())
}

#[test]
fn what_is_written_is_read() {
    let written = Package::write(&label(), "emr.wasm", COMPONENT).unwrap();
    let read = Package::read(written.bytes()).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.component(), COMPONENT);
    assert_eq!(read.path(), "emr.wasm");
    assert_eq!(*read.component_sha256(), sha256([COMPONENT]));
    let hash = hex::encode(sha256([written.bytes().as_ref()]));
    assert_eq!(read.id().to_string(), format!("emr_1.0:{hash}"));
}

/// A change of these bytes gives every package another id: note it in the changelog.
#[test]
fn the_bytes_are_the_same_every_time_and_everywhere() {
    let package = Package::write(&label(), "", COMPONENT).unwrap();
    let again = Package::write(&label(), "", COMPONENT).unwrap();
    assert_eq!(package, again);
    assert_eq!(package.bytes()[..10], [31, 139, 8, 0, 0, 0, 0, 0, 2, 255]);
    assert_eq!(
        package.id().to_string(),
        "emr_1.0:2ef4b646150809cc93544a9b0968e74adcdfe683d566ee3193dd505e1e5f63fd"
    );
}

#[test]
fn order_and_attributes_of_files_do_not_matter() {
    let turned = zip(&[(CODE, &code()), (METADATA, &metadata())]).unwrap();
    assert_eq!(read(turned).unwrap().component(), COMPONENT);
    let old = tar_of(&[
        entry(METADATA, EntryType::new(0), &metadata()),
        entry(CODE, EntryType::Regular, &code()),
    ]);
    let filled = [old, vec![0; 8192]].concat();
    assert_eq!(read(gzip(&filled)).unwrap().component(), COMPONENT);
    let deep = with_code(&[entry("target/wasm/emr.wasm", EntryType::Regular, COMPONENT)]);
    assert_eq!(deep.unwrap().component(), COMPONENT);
}

#[test]
fn what_is_not_gzip_or_not_whole_is_refused() {
    let whole = Package::write(&label(), "", COMPONENT).unwrap();
    let whole = whole.bytes().to_vec();
    for bytes in [
        Vec::new(),
        b"PK".to_vec(),
        whole[..whole.len() - 1].to_vec(),
    ] {
        let part = "the package";
        assert_eq!(read(bytes).unwrap_err(), PackageError::Gzip { part });
    }
    let mut checksum = whole.clone();
    let at = checksum.len() - 5;
    checksum[at] ^= 1;
    let part = "the package";
    assert_eq!(read(checksum).unwrap_err(), PackageError::Gzip { part });
    let mut longer = whole.clone();
    longer.push(0);
    assert_eq!(read(longer).unwrap_err(), PackageError::Trailing { part });
    let twice = [whole.clone(), whole].concat();
    assert_eq!(read(twice).unwrap_err(), PackageError::Trailing { part });
}

#[test]
fn what_is_not_a_tar_is_refused() {
    let part = "the package";
    let files = [
        entry(METADATA, EntryType::Regular, &metadata()),
        entry(CODE, EntryType::Regular, &code()),
    ];
    for tar in [Vec::new(), b"no tar".to_vec(), files.concat(), vec![0; 512]] {
        assert_eq!(read(gzip(&tar)).unwrap_err(), PackageError::Tar { part });
    }
    let mut hidden = tar_of(&files);
    hidden.extend(b"more");
    assert_eq!(
        read(gzip(&hidden)).unwrap_err(),
        PackageError::Trailing { part }
    );
    // After one empty block, readers stop; what follows would be read by nobody.
    let behind = [
        files.concat(),
        vec![0; 512],
        files[0].clone(),
        vec![0; 1024],
    ]
    .concat();
    assert_eq!(
        read(gzip(&behind)).unwrap_err(),
        PackageError::Trailing { part }
    );
    // It claims more than there is.
    let mut long = tar::Header::new_ustar();
    long.set_path(METADATA).unwrap();
    long.set_size(1 << 40);
    long.set_cksum();
    let claims = [long.as_bytes().to_vec(), vec![0; 1024]].concat();
    assert_eq!(read(gzip(&claims)).unwrap_err(), PackageError::Tar { part });
}

#[test]
fn bombs_are_refused_before_they_are_unpacked() {
    let bomb = gzip(&vec![0; TAR_BYTES_MAX + 1]);
    assert!(bomb.len() < 1 << 20);
    let refused = read(bomb.clone()).unwrap_err();
    assert!(matches!(
        refused,
        PackageError::TooLarge {
            part: "the package",
            ..
        }
    ));
    let inner = zip(&[(METADATA, &metadata()), (CODE, &bomb)]).unwrap();
    let refused = read(inner).unwrap_err();
    assert!(matches!(refused, PackageError::TooLarge { part: CODE, .. }));
    let wide = [b" ".repeat(METADATA_BYTES_MAX), metadata()].concat();
    let wide = zip(&[(METADATA, &wide), (CODE, &code())]).unwrap();
    let refused = read(wide).unwrap_err();
    assert!(matches!(
        refused,
        PackageError::TooLarge { part: METADATA, .. }
    ));
    let refused = read(vec![0; PACKAGE_BYTES_MAX + 1]).unwrap_err();
    assert!(refused.to_string().contains("more than 33554432 bytes"));
}

#[test]
fn paths_that_lead_out_are_refused() {
    for name in [
        "/etc/emr.wasm",
        "../emr.wasm",
        "a/../../emr.wasm",
        "./emr.wasm",
        "a//emr.wasm",
        "a\\emr.wasm",
        "C:emr.wasm",
        "a\nb.wasm",
        "emr.wasm/",
    ] {
        let refused = with_code(&[entry(name, EntryType::Regular, COMPONENT)]).unwrap_err();
        let part = CODE;
        let name = name.to_owned();
        assert_eq!(refused, PackageError::Path { part, name });
    }
    let outer = tar_of(&[entry("../metadata.json", EntryType::Regular, &metadata())]);
    let refused = read(gzip(&outer)).unwrap_err();
    assert!(matches!(
        refused,
        PackageError::Path {
            part: "the package",
            ..
        }
    ));
}

#[test]
fn links_folders_and_devices_are_refused() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Fifo,
        EntryType::Char,
        EntryType::Block,
        EntryType::Continuous,
        EntryType::GNUSparse,
        EntryType::new(b'Z'),
    ] {
        let refused = with_code(&[entry("emr.wasm", kind, b"")]).unwrap_err();
        let refused_as = matches!(
            refused,
            PackageError::NotAFile { part: CODE, .. } | PackageError::Tar { part: CODE }
        );
        assert!(refused_as, "{kind:?}: {refused}");
    }
}

#[test]
fn each_file_is_there_once_and_no_other() {
    let (metadata, code) = (metadata(), code());
    let (m, c): ((_, &[u8]), (_, &[u8])) = ((METADATA, &metadata), (CODE, &code));
    let refusal = |files: &[(&str, &[u8])]| read(zip(files).unwrap()).unwrap_err().to_string();
    assert_eq!(refusal(&[c]), "the package lacks metadata.json");
    assert_eq!(refusal(&[m]), "the package lacks code.tar.gz");
    assert_eq!(
        refusal(&[m, c, m]),
        "the package holds \"metadata.json\" twice"
    );
    assert_eq!(
        refusal(&[m, c, c]),
        "the package holds \"code.tar.gz\" twice"
    );
    assert_eq!(
        refusal(&[m, c, ("META-INF/index.json", b"{}")]),
        "the package holds \"META-INF/index.json\"; it holds exactly metadata.json and code.tar.gz"
    );
    let component = entry("emr.wasm", EntryType::Regular, COMPONENT);
    let other = entry("b.wasm", EntryType::Regular, COMPONENT);
    let text = entry("README", EntryType::Regular, b"");
    for entries in [
        vec![component.clone(), other],
        vec![component.clone(), text],
    ] {
        let refused = with_code(&entries).unwrap_err();
        assert!(
            matches!(refused, PackageError::Unexpected { part: CODE, .. }),
            "{refused}"
        );
    }
    let refused = with_code(&[]).unwrap_err();
    assert!(matches!(refused, PackageError::Missing { part: CODE, .. }));
}

#[test]
fn metadata_that_is_not_as_it_must_be_is_refused() {
    let refusal = |json: &str| {
        let package = zip(&[(METADATA, json.as_bytes()), (CODE, &code())]).unwrap();
        read(package).unwrap_err()
    };
    let golang = refusal(r#"{"type":"golang","path":"x","label":"emr"}"#);
    assert_eq!(
        golang,
        PackageError::Type {
            found: "golang".to_owned()
        }
    );
    assert!(golang.to_string().contains("WebAssembly components"));
    let label = refusal(r#"{"type":"wasm","path":"","label":"../emr"}"#);
    assert!(matches!(label, PackageError::Label(_)), "{label}");
    for json in [
        "",
        "[]",
        "null",
        r#"{"type":"wasm"}"#,
        r#"{"label":"emr"}"#,
        r#"{"type":"wasm","label":"emr","label":"emr2"}"#,
        r#"{"type":"wasm","label":"emr","init":true}"#,
        r#"{"type":"wasm","label":"emr"} {}"#,
        r#"{"type":1,"label":"emr"}"#,
    ] {
        let refused = refusal(json);
        assert!(
            matches!(refused, PackageError::Metadata { .. }),
            "{json}: {refused}"
        );
    }
    let short = zip(&[
        (METADATA, br#"{"type":"wasm","label":"emr"}"#),
        (CODE, &code()),
    ])
    .unwrap();
    assert_eq!(read(short).unwrap().path(), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_component_survives_packing(
        component in proptest::collection::vec(any::<u8>(), 0..3000),
        label in "[A-Za-z0-9][A-Za-z0-9_.+-]{0,20}",
    ) {
        let label: Label = label.parse().unwrap();
        let package = Package::write(&label, "", &component).unwrap();
        let read = Package::read(package.bytes()).unwrap();
        prop_assert_eq!(&read.component()[..], &component[..]);
        prop_assert_eq!(&read.id().label, &label);
    }

    /// Whatever is damaged inside, behind checksums that hold.
    #[test]
    fn damage_never_panics(
        at in 0..6000usize,
        value: u8,
        outer: bool,
        end in proptest::option::of(0..6000usize),
    ) {
        let mut inner = Vec::new();
        GzDecoder::new(code().as_slice()).read_to_end(&mut inner).unwrap();
        let bend = |tar: &mut Vec<u8>| {
            if let Some(byte) = tar.get_mut(at) { *byte = value; }
            tar.truncate(end.unwrap_or(tar.len()));
        };
        if !outer { bend(&mut inner); }
        let package = zip(&[(METADATA, &metadata()), (CODE, &gzip(&inner))]).unwrap();
        let mut tar = Vec::new();
        GzDecoder::new(package.as_slice()).read_to_end(&mut tar).unwrap();
        if outer { bend(&mut tar); }
        if let Ok(package) = read(gzip(&tar)) {
            prop_assert_eq!(Package::read(package.bytes()).unwrap(), package);
        }
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(bytes.clone()).is_err());
        prop_assert!(read(gzip(&bytes)).is_err());
    }
}
