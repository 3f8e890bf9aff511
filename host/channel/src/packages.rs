//! The packages that are installed on a host: a folder of `<label>.<hash>.tar.gz`, and their components
//! in the folder that [`crate::ComponentStore`] reads.
//!
//! A file counts only if its bytes have the hash in its name. One that does not is left where it is,
//! for whoever wants to know what happened to it, and installing the package again puts it right.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cordon_execute::{InstallError, Runtime};
use cordon_lifecycle::{PACKAGE_BYTES_MAX, Package, PackageId, PackageStore, Packages, StoreError};
use cordon_wire::sha256;
use parking_lot::Mutex;

const EXTENSION: &str = ".tar.gz";

/// The packages in a folder. One process uses a folder at a time.
pub struct FilePackages {
    dir: PathBuf,
    components: PathBuf,
    runtime: Runtime,
    /// Whole packages, with their components' hashes. Held while files are written.
    known: Mutex<BTreeMap<PackageId, [u8; 32]>>,
}

/// A file among the packages that is none, and is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not used: {reason}; install the package again, or remove the file", path.display())]
pub struct DamagedPackage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl FilePackages {
    /// The packages in `dir`, which is made when it is not there, and what else is in it. Components
    /// that are missing in `components`, or are not what their names say, are put there from the
    /// packages. `runtime` judges components to be installed.
    ///
    /// Cost: reads and unpacks every package.
    ///
    /// # Errors
    /// When a folder cannot be read or written.
    pub fn open(
        dir: PathBuf,
        components: PathBuf,
        runtime: Runtime,
    ) -> io::Result<(Self, Vec<DamagedPackage>)> {
        fs::create_dir_all(&dir)?;
        fs::create_dir_all(&components)?;
        let mut paths = Vec::new();
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(EXTENSION) {
                paths.push(path);
            }
        }
        paths.sort();
        let mut known = BTreeMap::new();
        let mut damaged = Vec::new();
        for path in paths {
            match read(&path) {
                Ok(package) => {
                    put_component(&components, &package)?;
                    known.insert(package.id().clone(), *package.component_sha256());
                }
                Err(reason) => damaged.push(DamagedPackage { path, reason }),
            }
        }
        let packages = Self {
            dir,
            components,
            runtime,
            known: Mutex::new(known),
        };
        Ok((packages, damaged))
    }

    fn path(&self, package_id: &PackageId) -> PathBuf {
        let (label, hash) = (&package_id.label, hex::encode(package_id.sha256));
        self.dir.join(format!("{label}.{hash}{EXTENSION}"))
    }
}

impl Packages for FilePackages {
    fn component(&self, package_id: &PackageId) -> Option<[u8; 32]> {
        self.known.lock().get(package_id).copied()
    }
}

impl PackageStore for FilePackages {
    fn install(&self, package: &Package) -> Result<(), StoreError> {
        let compiled = self.runtime.compile(package.component());
        compiled.map_err(|error| match error {
            InstallError::Compiler { .. } => StoreError::Broken(error.to_string()),
            refused => StoreError::Refused(format!(
                "hosts do not accept the component of package {}: {refused}",
                package.id()
            )),
        })?;
        let mut known = self.known.lock();
        // The component first: a package that is listed can be run.
        let written = put_component(&self.components, package)
            .and_then(|()| write(&self.path(package.id()), package.bytes()));
        written.map_err(|error| StoreError::Broken(error.to_string()))?;
        known.insert(package.id().clone(), *package.component_sha256());
        Ok(())
    }

    fn list(&self) -> Vec<PackageId> {
        self.known.lock().keys().cloned().collect()
    }

    fn get(&self, package_id: &PackageId) -> Result<Option<Bytes>, StoreError> {
        if !self.known.lock().contains_key(package_id) {
            return Ok(None);
        }
        let path = self.path(package_id);
        match read(&path) {
            Ok(package) => Ok(Some(package.bytes().clone())),
            Err(reason) => {
                let damaged = DamagedPackage { path, reason };
                Err(StoreError::Broken(damaged.to_string()))
            }
        }
    }
}

/// Reads a file whose name says what it must be.
fn read(path: &Path) -> Result<Package, String> {
    let bytes = bounded(path).map_err(|error| format!("it cannot be read ({error})"))?;
    let package = Package::read(&bytes).map_err(|error| error.to_string())?;
    let id = package.id();
    let name = format!("{}.{}{EXTENSION}", id.label, hex::encode(id.sha256));
    if path.file_name().is_none_or(|found| found != name.as_str()) {
        return Err(format!("by what is in it, its name should be {name}"));
    }
    Ok(package)
}

fn bounded(path: &Path) -> io::Result<Bytes> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    let most = PACKAGE_BYTES_MAX as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(Bytes::from(bytes))
}

/// Puts a package's component where channels look for it, if it is not there as it must be.
fn put_component(dir: &Path, package: &Package) -> io::Result<()> {
    let hash = package.component_sha256();
    let path = dir.join(format!("{}.wasm", hex::encode(hash)));
    match bounded(&path) {
        Ok(found) if sha256([found.as_ref()]) == *hash => Ok(()),
        _ => write(&path, package.component()),
    }
}

/// Puts a file in its place at once, whole, so that a crash leaves the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordon_execute::Profile;

    struct Host {
        dir: tempfile::TempDir,
        runtime: Runtime,
    }

    impl Host {
        fn new() -> Self {
            Self {
                dir: tempfile::tempdir().unwrap(),
                runtime: Runtime::new(Profile::default()).unwrap(),
            }
        }

        fn packages(&self) -> PathBuf {
            self.dir.path().join("packages")
        }

        fn components(&self) -> PathBuf {
            self.dir.path().join("components")
        }

        fn open(&self) -> (FilePackages, Vec<DamagedPackage>) {
            FilePackages::open(self.packages(), self.components(), self.runtime.clone()).unwrap()
        }
    }

    fn package(label: &str) -> Package {
        let component = wat::parse_str(
            r#"(component
                (core module $m (func (export "run")))
                (core instance $i (instantiate $m))
                (func $run (canon lift (core func $i "run")))
                (export "run" (func $run)))"#,
        );
        Package::write(&label.parse().unwrap(), "", &component.unwrap()).unwrap()
    }

    fn file_of(host: &Host, package: &Package) -> PathBuf {
        let hash = hex::encode(package.id().sha256);
        let label = &package.id().label;
        host.packages().join(format!("{label}.{hash}.tar.gz"))
    }

    fn component_of(host: &Host, package: &Package) -> PathBuf {
        let hash = hex::encode(package.component_sha256());
        host.components().join(format!("{hash}.wasm"))
    }

    #[test]
    fn what_is_installed_is_there_after_a_restart() {
        let host = Host::new();
        let (packages, damaged) = host.open();
        assert!(damaged.is_empty() && packages.list().is_empty());
        let (one, two) = (package("emr_1.0"), package("emr_2.0"));
        assert_eq!(packages.get(one.id()), Ok(None));
        for package in [&one, &two, &one] {
            packages.install(package).unwrap();
        }
        let both = vec![one.id().clone(), two.id().clone()];
        for packages in [packages, host.open().0] {
            assert_eq!(packages.list(), both);
            assert_eq!(packages.component(one.id()), Some(*one.component_sha256()));
            assert_eq!(packages.get(two.id()), Ok(Some(two.bytes().clone())));
        }
        assert_eq!(fs::read(file_of(&host, &one)).unwrap(), *one.bytes());
        assert_eq!(
            fs::read(component_of(&host, &one)).unwrap(),
            *one.component()
        );
        assert_eq!(fs::read_dir(host.packages()).unwrap().count(), 2);
    }

    #[test]
    fn a_component_that_hosts_do_not_accept_leaves_nothing() {
        let host = Host::new();
        let (packages, _) = host.open();
        let bad = Package::write(&"bad".parse().unwrap(), "", b"no component").unwrap();
        let refused = packages.install(&bad).unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
        assert!(
            refused.to_string().contains("not an acceptable component"),
            "{refused}"
        );
        assert!(packages.list().is_empty());
        assert_eq!(fs::read_dir(host.packages()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(host.components()).unwrap().count(), 0);
    }

    #[test]
    fn damaged_files_are_reported_and_not_used() {
        let host = Host::new();
        let (packages, _) = host.open();
        let (one, two) = (package("emr_1.0"), package("emr_2.0"));
        packages.install(&one).unwrap();
        packages.install(&two).unwrap();
        let path = file_of(&host, &one);
        fs::write(&path, &one.bytes()[..100]).unwrap();
        // While it runs, and after a restart.
        assert!(matches!(packages.get(one.id()), Err(StoreError::Broken(_))));
        let renamed = host
            .packages()
            .join(format!("x.{}.tar.gz", "ab".repeat(32)));
        fs::copy(file_of(&host, &two), &renamed).unwrap();
        fs::create_dir(host.packages().join("folder.tar.gz")).unwrap();
        fs::write(host.packages().join("note.txt"), "not looked at").unwrap();
        fs::write(file_of(&host, &two).with_extension("gz.new"), "half").unwrap();

        let (packages, damaged) = host.open();
        assert_eq!(packages.list(), [two.id().clone()]);
        assert_eq!(packages.component(one.id()), None);
        assert_eq!(packages.get(one.id()), Ok(None));
        let found: Vec<&Path> = damaged.iter().map(|d| d.path.as_path()).collect();
        assert_eq!(
            found,
            [
                path.as_path(),
                &host.packages().join("folder.tar.gz"),
                &renamed
            ]
        );
        assert!(
            damaged[0].to_string().contains("not a whole gzip file"),
            "{}",
            damaged[0]
        );
        assert!(
            damaged[2]
                .to_string()
                .contains("its name should be emr_2.0."),
            "{}",
            damaged[2]
        );

        packages.install(&one).unwrap();
        assert_eq!(fs::read(&path).unwrap(), *one.bytes());
        assert_eq!(host.open().0.list().len(), 2);
    }

    #[test]
    fn components_come_back_from_packages() {
        let host = Host::new();
        let one = package("emr_1.0");
        host.open().0.install(&one).unwrap();
        let path = component_of(&host, &one);
        for damage in [None, Some(b"bent")] {
            match damage {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
            host.open();
            assert_eq!(fs::read(&path).unwrap(), *one.component());
        }
    }
}
