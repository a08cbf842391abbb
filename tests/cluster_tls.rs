//! A server of Milvus's protocol behind TLS: who is trusted is spoken to, and nobody else.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::{bench::Bench, milvus::Milvus, web::certificates};

/// Takes the encryption off and hands on to the server, as what stands before a cluster does; its port.
fn behind_tls(runtime: &Runtime, bench: &Bench, port: u16) -> u16 {
    let certificates = CertificateDer::pem_file_iter(bench.path("service.pem")).expect("a file");
    let certificates = certificates.collect::<Result<Vec<_>, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(bench.path("service.key")).expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let mut config = builder.with_no_client_auth().with_single_cert(certificates, key).expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the certificate goes.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("the server");
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    address.port()
}

#[test]
fn a_server_behind_tls_is_reached_by_who_trusts_its_certificate() {
    let (bench, milvus, runtime) = (Bench::new(), Milvus::own(), Runtime::new().expect("a runtime"));
    bench.plain_index();
    certificates(&bench);
    let uri = format!("https://127.0.0.1:{}", behind_tls(&runtime, &bench, milvus.port));
    let there = ["--uri", &uri, "--collection", &milvus.collection, "--retry-for", "2"];
    let trusting = [&there[..], &["--milvus-ca", "authority.pem"]].concat();
    let copied = bench.json(&[&["copy", "--to", "milvus"][..], &trusting].concat());
    assert_eq!(copied["chunks"], 6, "{copied}");
    let found = bench.run(&[&["search", "--backend", "milvus", "the new bell"][..], &trusting].concat()).succeeded();
    assert!(found.stdout.starts_with(" 1. bell"), "{}", found.stdout);

    // Whom nobody vouches for is not spoken to; nor is one for whom another authority would have to.
    let strangers = Bench::new();
    certificates(&strangers);
    let other = strangers.path("authority.pem").display().to_string();
    for distrusting in [there.to_vec(), [&there[..], &["--milvus-ca", &other]].concat()] {
        let search = [&["search", "--backend", "milvus", "the new bell"][..], &distrusting].concat();
        let refused = bench.run(&search).exited(4).stderr;
        assert!(refused.contains(&uri), "{refused}");
    }
    let missing = bench.run(&[&["copy", "--to", "milvus"][..], &there, &["--milvus-ca", "nowhere.pem"]].concat());
    let told = missing.exited(2).stderr;
    assert!(told.contains("nowhere.pem"), "{told}");
}
