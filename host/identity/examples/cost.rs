//! Prints what signing and verifying cost on this machine:
//! `cargo run --release -p cordon-identity --example cost`.

use std::hint::black_box;
use std::time::Instant;

use cordon_identity::{
    Certificate, CertificateAuthority, IdentityError, IssueRequest, Membership, Msp, MspConfig,
    Signer, SigningKey, Validity,
};

fn measure(
    what: &str,
    mut work: impl FnMut() -> Result<(), IdentityError>,
) -> Result<(), IdentityError> {
    // The fastest of many short batches, so that a busy machine shows less.
    let mut fastest = f64::INFINITY;
    for _ in 0..200 {
        let begin = Instant::now();
        for _ in 0..25 {
            work()?;
        }
        fastest = fastest.min(begin.elapsed().as_secs_f64());
    }
    let micros = fastest * 1e6 / 25.0;
    println!("{what:<40} {micros:8.2} µs");
    Ok(())
}

fn main() -> Result<(), IdentityError> {
    let validity = Validity {
        not_before: 1_760_000_000,
        not_after: 1_770_000_000,
    };
    let root = CertificateAuthority::create("ca.a", "a", validity)?;
    let key = SigningKey::generate()?;
    let request = IssueRequest {
        common_name: "alice".to_owned(),
        organization: Some("a".to_owned()),
        organizational_unit: Some("client".to_owned()),
        attributes: [("role".to_owned(), "physician".to_owned())].into(),
        validity,
    };
    let certificate = root.issue(&request, &key.public_key()?)?;
    let pem = certificate.to_pem()?;
    let Ok(id) = "A".parse::<cordon_types::MspId>() else {
        return Ok(());
    };
    let root_pem = root.certificate().to_pem()?;
    let msp = Msp::new(&MspConfig::new(id.clone(), root_pem.clone(), root_pem))?;
    let signer = Signer::new(id, &pem, key)?;
    let message = [7; 1024];
    let signature = signer.sign(&message)?;
    let creator = signer.serialized();

    measure("sign, 1 KiB", || signer.sign(black_box(&message)).map(drop))?;
    let public = certificate.public_key();
    measure("verify, 1 KiB", || {
        public.verify(black_box(&message), &signature)
    })?;
    measure("parse a certificate", || {
        Certificate::from_pem(black_box(pem.as_bytes())).map(drop)
    })?;
    measure("verify a chain of two", || {
        msp.verify(black_box(&certificate)).map(drop)
    })?;
    let membership = Membership::new([msp]);
    measure("identity, cached", || {
        membership.identity(black_box(&creator)).map(drop)
    })?;
    measure("identity and signature, cached", || {
        membership
            .verify(black_box(&creator), &[&message], &signature)
            .map(drop)
    })
}
