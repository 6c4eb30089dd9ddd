//! Keys: refusal of weak and foreign ones, identities, files that OpenSSL reads and wrote.

use crate::examples;
use evidence::key::{Alg, KeyError, PublicKey, SigningKey};
use std::collections::BTreeMap;

/// Made by OpenSSL 3.0.19: `genpkey -algorithm ed25519`; then `pkcs8 -topk8`, with PBKDF2 and with `-scrypt`,
/// passphrase `secret`; and `genpkey -algorithm EC -pkeyopt ec_paramgen_curve:SM2`.
const OPENSSL: [(&str, &str); 4] = [
    (
        "e8405e9e7e5ccd91d91949a3472bef009e377ef4de9bdd4d8ee9ab0e167774c6",
        "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEICv7JK7cRW8MMsw9SYzA/CsqkCkWrwVh+E6eOGqiMqc8
-----END PRIVATE KEY-----",
    ),
    (
        "e8405e9e7e5ccd91d91949a3472bef009e377ef4de9bdd4d8ee9ab0e167774c6",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAi5+1fDZ7AiNgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAfGNyeU8NF9W/5g0UiWIu8EQNca
ho9NB/D7WVAA+ZrhkyfYUKU8NxKmPeB10Ykch3XGQtTG98XhFJ3djg/QGQTj+eUH
iGyIjG8Q9GWXc4l0tcU=
-----END ENCRYPTED PRIVATE KEY-----",
    ),
    (
        "e8405e9e7e5ccd91d91949a3472bef009e377ef4de9bdd4d8ee9ab0e167774c6",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGTME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAiMVi1fbp32lAICQAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBCkfDiDVDarUB5meC43L0EQBEDgCETflDuq7E8l
okc6uXG13CvlV1FAPg+oXOzr7awEzRPRc3+eBmW5zQrTW1ctxAzhRcX4UuM7AwFp
nE9nQ7IG
-----END ENCRYPTED PRIVATE KEY-----",
    ),
    (
        "sm2:04889f54fd8d4ded711bf0809dc2be010a3d3576593fbec18e04528f17255e564c42678ea700f9c71829cca84755fae9642ec0fd55e3388ed4732b0aedccea85cc",
        "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQgbIccvANmbh7mjLSo
FUcGcLlOKD7II5Li2Layup2fXR+hRANCAASIn1T9jU3tcRvwgJ3CvgEKPTV2WT++
wY4EUo8XJV5WTEJnjqcA+ccYKcyoR1X66WQuwP1V4ziO1HMrCu3M6oXM
-----END PRIVATE KEY-----",
    ),
];

fn keys() -> [SigningKey; 2] {
    [SigningKey::from_seed([5; 32]), SigningKey::sm2_from_secret(&[5; 32]).unwrap()]
}

#[test]
fn key_files_of_openssl_are_read() {
    for (public, pem) in OPENSSL {
        let key = SigningKey::from_pem(pem, Some("secret")).unwrap();
        assert_eq!(key.public().to_string(), public);
        if pem.contains("ENCRYPTED") {
            assert_eq!(SigningKey::from_pem(pem, Some("Secret")).unwrap_err(), KeyError::Passphrase);
            assert_eq!(SigningKey::from_pem(pem, None).unwrap_err(), KeyError::Passphrase);
        }
    }
}

#[test]
fn private_keys_survive_their_files() {
    for key in keys() {
        let plain = key.to_pem(None).unwrap();
        assert!(plain.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert_eq!(SigningKey::from_pem(&plain, None).unwrap().public(), key.public());
        let sealed = key.to_pem(Some(("秘密", [9; 32]))).unwrap();
        assert!(sealed.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        assert_eq!(SigningKey::from_pem(&sealed, Some("秘密")).unwrap().public(), key.public());
        assert!(SigningKey::from_pem(&sealed, Some("wrong")).is_err());
        assert!(SigningKey::from_pem(&sealed, None).is_err());
        let again = key.to_pem(Some(("秘密", [10; 32]))).unwrap();
        assert_ne!(*again, *sealed, "other random bytes give another file");
    }
}

/// These very files were read by OpenSSL 3.0.19 (`openssl pkey -in … -passin pass:secret`).
#[test]
fn the_golden_keys_have_not_changed() {
    let mut made = BTreeMap::new();
    for (name, key) in ["ed25519", "sm2"].into_iter().zip(keys()) {
        let plain: &str = &key.to_pem(None).unwrap();
        let sealed: &str = &key.to_pem(Some(("secret", [9; 32]))).unwrap();
        made.insert(
            name,
            serde_json::json!({
                "public": key.public().to_string(),
                "kid": key.public().kid().to_string(),
                "signature of hello": hex::encode(key.sign(b"hello")),
                "pem": plain,
                "pem with the passphrase secret": sealed,
            }),
        );
    }
    examples::golden("keys.json", &serde_json::json!(made));
}

#[test]
fn what_is_no_private_key_is_refused() {
    let rsa_like = "-----BEGIN PRIVATE KEY-----\nMAwwCgYIKwYBBQUHAQE=\n-----END PRIVATE KEY-----\n";
    for bad in ["", "seed", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", rsa_like] {
        assert!(matches!(SigningKey::from_pem(bad, None), Err(KeyError::Pem(_))), "{bad:?}");
    }
    assert!(SigningKey::sm2_from_secret(&[0; 32]).is_err());
    assert!(SigningKey::sm2_from_secret(&[0xff; 32]).is_err(), "beyond the group order");
}

#[test]
fn weak_and_foreign_public_keys_are_refused() {
    let mut neutral = [0u8; 32];
    neutral[0] = 1;
    assert_eq!(PublicKey::new(Alg::Ed25519, &neutral), Err(KeyError::Weak));
    assert!(PublicKey::new(Alg::Ed25519, &[1; 31]).is_err());
    assert!(PublicKey::new(Alg::Sm2, &[4; 65]).is_err(), "not on the curve");
    let [_, sm2] = keys();
    let mut compressed = sm2.public().bytes()[..33].to_vec();
    compressed[0] = 2;
    assert!(PublicKey::new(Alg::Sm2, &compressed).is_err());
    for text in ["", "zz", "sm2:", "sm2:04", "SM2:04", &"0".repeat(66)] {
        assert!(text.parse::<PublicKey>().is_err(), "{text:?}");
    }
}

#[test]
fn a_key_prints_its_identity_and_nothing_else() {
    for key in keys() {
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.public().kid().to_string()[..8]), "{shown}");
        assert!(!shown.contains("0505"), "{shown}");
        assert_eq!(key.public().to_string().parse::<PublicKey>().as_ref(), Ok(key.public()));
    }
}

#[test]
fn a_signature_of_one_algorithm_is_none_of_the_other() {
    let [ed25519, sm2] = keys();
    assert!(ed25519.public().verify(b"m", &sm2.sign(b"m")).is_err());
    assert!(sm2.public().verify(b"m", &ed25519.sign(b"m")).is_err());
    for key in [&ed25519, &sm2] {
        assert_eq!(key.sign(b"m"), key.sign(b"m"), "deterministic");
        assert!(key.public().verify(b"m", &[0; 64]).is_err());
        assert!(key.public().verify(b"m", &key.sign(b"m")[..63]).is_err());
        assert!(key.public().verify(b"m", &[]).is_err());
    }
}
