//! An authority of the test's own, and the certificates it signs.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

/// The PEM files that a TLS server and its clients need.
pub struct Certificates {
    /// The authority that signed the others.
    pub ca: PathBuf,
    /// The server's certificate, for `etcd.test` and 127.0.0.1, and its key.
    pub server: (PathBuf, PathBuf),
    /// The client's certificate and its key.
    pub client: (PathBuf, PathBuf),
}

impl Certificates {
    /// Makes an authority, and has it sign one certificate for a server and one for a client.
    pub fn in_folder(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "kvspec test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
            .expect("an authority");
        let ca = folder.join("ca.pem");
        fs::write(&ca, issuer.pem()).expect("ca.pem is written");
        let server = signed(
            folder,
            &issuer,
            "server",
            &["etcd.test", "127.0.0.1"],
            ExtendedKeyUsagePurpose::ServerAuth,
        );
        let client = signed(folder, &issuer, "client", &[], ExtendedKeyUsagePurpose::ClientAuth);
        Self { ca, server, client }
    }
}

fn signed(
    folder: &Path,
    issuer: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    hosts: &[&str],
    usage: ExtendedKeyUsagePurpose,
) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().expect("a key");
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("host names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    let (certificate_path, key_path) =
        (folder.join(format!("{name}.pem")), folder.join(format!("{name}-key.pem")));
    fs::write(&certificate_path, certificate.pem()).expect("a certificate is written");
    fs::write(&key_path, key.serialize_pem()).expect("a key is written");
    (certificate_path, key_path)
}
