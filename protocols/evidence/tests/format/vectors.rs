//! Vectors that others published: what they signed verifies here, what we sign they could have signed.

use evidence::cbor::Writer;
use evidence::key::{Alg, PublicKey, SigningKey};
use evidence::note::{Note, VerifierKey};
use evidence::statement::open;

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap_or_default()
}

/// RFC 8032, 7.1: secret key, public key, message, signature.
const RFC_8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

#[test]
fn ed25519_gives_the_signatures_of_rfc_8032() {
    for [secret, public, message, signature] in RFC_8032 {
        let seed: [u8; 32] = bytes(secret).try_into().unwrap();
        let key = SigningKey::from_seed(seed);
        assert_eq!(hex::encode(key.sign(&bytes(message))), signature);
        assert_eq!(key.public().to_string(), public);
        assert!(key.public().verify(&bytes(message), &bytes(signature)).is_ok());
        assert!(key.public().verify(b"another message", &bytes(signature)).is_err());
    }
}

/// The group order L, little-endian: S + L verifies in lax implementations (RFC 8032, 5.1.7 demands S < L).
#[test]
fn a_signature_with_s_beyond_the_order_is_refused() {
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let key = SigningKey::from_seed([1; 32]);
    let mut signature = key.sign(b"m");
    let mut carry = 0u16;
    for (s, l) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        [*s, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert!(key.public().verify(b"m", &signature).is_err());
}

/// Points of small order in their canonical encodings (the eight torsion points of edwards25519, as listed in
/// RFC 7748's curve and the literature on cofactor attacks).
#[test]
fn every_key_of_small_order_is_refused() {
    for point in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ] {
        assert!(PublicKey::new(Alg::Ed25519, &bytes(point)).is_err(), "{point}");
        assert!(point.parse::<PublicKey>().is_err(), "{point}");
    }
}

/// GB/T 32918.5-2017, Annex A: the example signature over "message digest" under the default identity.
#[test]
fn the_example_of_gb_t_32918_5_verifies() {
    let secret: [u8; 32] =
        bytes("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8").try_into().unwrap();
    let public = "sm2:0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                  ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
    let signature = bytes(
        "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
         b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
    );
    let key: PublicKey = public.parse().unwrap();
    assert_eq!(key.to_string(), public);
    assert_eq!(SigningKey::sm2_from_secret(&secret).unwrap().public(), &key);
    assert!(key.verify(b"message digest", &signature).is_ok());
    assert!(key.verify(b"message Digest", &signature).is_err());
    let swapped = [&signature[32..], &signature[..32]].concat();
    assert!(key.verify(b"message digest", &swapped).is_err());
}

/// `["Signature1", protected, external, payload]` of RFC 9052, 4.4, as the crate writes it.
fn signed(protected: &[u8], external: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(4).text("Signature1").bytes(protected).bytes(external).bytes(payload);
    w.finish()
}

/// cose-wg/Examples, `eddsa-examples/eddsa-sig-01.json`: `COSE_Sign1`, `EdDSA`, the first key of RFC 8032.
#[test]
fn the_eddsa_example_of_cose_wg_verifies_and_is_no_statement() {
    let message = bytes(
        "D28445A201270300A10442313154546869732069732074686520636F6E74656E742E58407142FD2FF96D56DB85BEE905A76BA1\
         D0B7321A95C8C4D3607C5781932B7AFB8711497DFA751BF40B58B3BCC32300B1487F3DB34085EEF013BF08F4A44D6FEF0D",
    );
    let key: PublicKey = RFC_8032[0][1].parse().unwrap();
    let signature = &message[message.len() - 64..];
    let signed = signed(&bytes("A201270300"), b"", b"This is the content.");
    assert!(key.verify(&signed, signature).is_ok());
    let seed: [u8; 32] = bytes(RFC_8032[0][0]).try_into().unwrap();
    assert_eq!(SigningKey::from_seed(seed).sign(&signed), signature);
    // It has an unprotected header, which no statement has.
    assert_eq!(open(&message).map(|_| ()), Err(evidence::DecodeError::Unprotected));
}

/// cose-wg/Examples, `sign1-tests/sign-pass-01` to `03` (their `ToBeSign_hex`; the signatures are ECDSA, which is
/// no algorithm of this format) and `eddsa-sig-02` (Ed448).
#[test]
fn what_is_signed_has_the_bytes_of_the_cose_wg_examples() {
    for (protected, external, expected) in [
        ("", "", "846A5369676E617475726531404054546869732069732074686520636F6E74656E742E"),
        (
            "A10126",
            "11AA22BB33CC44DD55006699",
            "846A5369676E61747572653143A101264C11AA22BB33CC44DD5500669954546869732069732074686520636F6E74656E742E",
        ),
        ("A10126", "", "846A5369676E61747572653143A101264054546869732069732074686520636F6E74656E742E"),
        ("A10127", "", "846A5369676E61747572653143A101274054546869732069732074686520636F6E74656E742E"),
    ] {
        let made = signed(&bytes(protected), &bytes(external), b"This is the content.");
        assert_eq!(hex::encode_upper(made), expected);
    }
    // sign-pass-01 as a whole: a valid COSE_Sign1, and no statement.
    let message = bytes(
        "D28441A0A201260442313154546869732069732074686520636F6E74656E742E5840EAE868ECC176883766C5DC5BA5B8DCA25DAB3C\
         2E56A551CE5705B793914348E11A02E5F0344BF2D4EE5C7FD75A68A9F5E0B3CC1F1FC1409C189566586FF9D610",
    );
    assert_eq!(open(&message).map(|_| ()), Err(evidence::DecodeError::Unprotected));
}

/// The example of C2SP signed-note, whose signing key is published with Go's `sumdb/note`: the seed gives the very
/// same note.
#[test]
fn signing_with_the_published_key_gives_the_published_note() {
    let seed = bytes("810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173");
    let key = SigningKey::from_seed(seed.try_into().unwrap());
    let vkey: VerifierKey =
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
    assert_eq!(vkey.key(), key.public());
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let mut note = Note::new(text).unwrap();
    note.sign("PeterNeumann", &key).unwrap();
    let expected = format!(
        "{text}\n\u{2014} PeterNeumann \
         x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    );
    assert_eq!(String::from_utf8(note.encode()).unwrap(), expected);
}
