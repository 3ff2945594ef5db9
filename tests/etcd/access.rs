//! TLS, and users with passwords.

use std::path::Path;

use etcd_client::{Permission, PermissionType};
use kvspec::backend::etcd::{Access, EtcdStore, Tls, User};
use kvspec::store::{ErrorKind, Store, StoreError};

use crate::certificates::Certificates;
use crate::server::Etcd;
use crate::{DEADLINE, etcd_or_return, key, kind, open, soon};

const PASSWORD: &str = "correct horse battery staple";

/// A TLS server that asks for client certificates.
fn tls_flags(certificates: &Certificates) -> Vec<String> {
    let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
    vec![
        flag("cert-file", &certificates.server.0),
        flag("key-file", &certificates.server.1),
        flag("trusted-ca-file", &certificates.ca),
        "--client-cert-auth".into(),
    ]
}

async fn read(access: &Access) -> Result<Option<Vec<u8>>, StoreError> {
    EtcdStore::connect(access, "/").await?.read(b"k").await
}

#[tokio::test]
async fn tls_checks_the_server_and_shows_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::in_folder(folder.path());
    let etcd = etcd_or_return!(&tls_flags(&certificates));
    let tls = Tls { ca: Some(certificates.ca), client: Some(certificates.client), domain: None };
    let with = |tls: Tls| Access { tls: Some(tls), ..etcd.access() };
    assert_eq!(soon(read(&with(tls.clone()))).await, Ok(None));

    // The name of the certificate in place of the host's.
    assert_eq!(
        soon(read(&with(Tls { domain: Some("etcd.test".into()), ..tls.clone() }))).await,
        Ok(None)
    );
    let error = soon(read(&with(Tls { domain: Some("other.test".into()), ..tls.clone() })))
        .await
        .unwrap_err();
    assert!(
        error.kind == ErrorKind::Unavailable && error.message.contains("certificate"),
        "{error}"
    );

    // No certificate of the client's own.
    let error = soon(read(&with(Tls { client: None, ..tls.clone() }))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");

    // An authority that did not sign the server's certificate.
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Certificates::in_folder(elsewhere.path());
    let error = soon(read(&with(Tls { ca: Some(stranger.ca), ..tls.clone() }))).await.unwrap_err();
    assert!(
        error.kind == ErrorKind::Unavailable && error.message.contains("invalid peer certificate"),
        "{error}"
    );

    // The system's authorities, of which none signed it either.
    let error = soon(read(&with(Tls { ca: None, ..tls }))).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unavailable | ErrorKind::InvalidArgument), "{error}");
}

#[tokio::test]
async fn tls_files_that_are_missing_or_of_another_kind_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let Certificates { ca, client: (certificate, key), .. } =
        Certificates::in_folder(folder.path());
    let missing = folder.path().join("missing.pem");
    let cases = [
        (Tls { ca: Some(missing.clone()), ..Tls::default() }, &missing),
        (Tls { ca: Some(key.clone()), ..Tls::default() }, &key),
        (
            Tls {
                ca: Some(ca.clone()),
                client: Some((missing.clone(), key.clone())),
                domain: None,
            },
            &missing,
        ),
        (
            Tls {
                ca: Some(ca.clone()),
                client: Some((certificate.clone(), ca.clone())),
                domain: None,
            },
            &ca,
        ),
    ];
    for (tls, culprit) in cases {
        let access = Access { endpoints: vec!["127.0.0.1:1".into()], tls: Some(tls), user: None };
        let error = soon(read(&access)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{error}");
        assert!(
            error.message.contains(&culprit.display().to_string()),
            "{error} does not name {}",
            culprit.display()
        );
    }
    let swapped = Tls { ca: Some(ca.clone()), client: Some((ca, key)), domain: None };
    let access = Access { endpoints: vec!["127.0.0.1:1".into()], tls: Some(swapped), user: None };
    assert_eq!(kind(soon(read(&access)).await), ErrorKind::InvalidArgument);
}

/// Has the server ask who calls: `root` may do all, `reader` may read below /shown/.
async fn enable_auth(etcd: &Etcd) {
    let mut client = etcd.access().connect(DEADLINE).await.unwrap();
    client.role_add("shown").await.unwrap();
    let shown = Permission::new(PermissionType::Read, "/shown/").with_prefix();
    client.role_grant_permission("shown", shown).await.unwrap();
    for (user, role) in [("root", "root"), ("reader", "shown")] {
        client.user_add(user, PASSWORD, None).await.unwrap();
        client.user_grant_role(user, role).await.unwrap();
    }
    client.auth_enable().await.unwrap();
}

fn access_as(etcd: &Etcd, name: &str, password: &str) -> Access {
    let user = User { name: name.into(), password: password.into() };
    Access { user: Some(user), ..etcd.access() }
}

#[tokio::test]
async fn a_user_does_what_the_user_may() {
    let etcd = etcd_or_return!(&[]);
    let early =
        soon(EtcdStore::connect(&access_as(&etcd, "root", PASSWORD), "/")).await.err().unwrap();
    assert_eq!(early.kind, ErrorKind::Denied, "a login where nobody is asked: {early}");
    soon(enable_auth(&etcd)).await;

    let root = open(&access_as(&etcd, "root", PASSWORD), "auth").await;
    let k = key(&root, "k");
    soon(root.update(&k, b"v")).await.unwrap();
    assert_eq!(soon(root.read(&k)).await, Ok(Some(b"v".to_vec())));

    let reader = open(&access_as(&etcd, "reader", PASSWORD), "auth").await;
    assert_eq!(soon(reader.read(b"/shown/k")).await, Ok(None));
    drop(soon(reader.watch(b"/shown/")).await.unwrap());
    assert_eq!(kind(soon(reader.update(b"/shown/k", b"v")).await), ErrorKind::Denied);
    assert_eq!(kind(soon(reader.read(&k)).await), ErrorKind::Denied);
    assert_eq!(soon(reader.watch(&k)).await.err().map(|error| error.kind), Some(ErrorKind::Denied));

    let nobody = open(&etcd.access(), "auth").await;
    assert_eq!(kind(soon(nobody.read(&k)).await), ErrorKind::Denied);
}

#[tokio::test]
async fn a_password_is_never_told() {
    let mut etcd = etcd_or_return!(&[]);
    soon(enable_auth(&etcd)).await;
    let wrong = access_as(&etcd, "root", "hunter2-wrong");
    let denied = soon(EtcdStore::connect(&wrong, "/")).await.err().unwrap();
    assert_eq!(denied.kind, ErrorKind::Denied, "{denied}");
    etcd.kill();
    let gone = soon(EtcdStore::connect(&wrong, "/")).await.err().unwrap();
    assert_eq!(gone.kind, ErrorKind::Unavailable, "{gone}");
    for told in [format!("{denied} {denied:?}"), format!("{gone} {gone:?}"), format!("{wrong:?}")] {
        assert!(!told.contains("hunter2"), "{told}");
    }
}
