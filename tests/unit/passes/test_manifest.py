import hashlib
import json

from shared.passes.apple.manifest import compose_manifest


def test_manifest_lists_every_file_with_its_sha1():
    icon = hashlib.sha1(b"icon").hexdigest()

    manifest = compose_manifest(b"{}", {"icon.png": icon})

    assert json.loads(manifest) == {
        "icon.png": icon,
        "pass.json": "bf21a9e8fbc5a3846fb05b4fa0859e0917b2202f",
    }


def test_manifest_is_the_same_for_any_order_of_the_images():
    images = {"logo.png": "b" * 40, "icon@2x.png": "a" * 40, "en.lproj/pass.strings": "c" * 40}

    backwards = dict(reversed(images.items()))

    assert compose_manifest(b"{}", images) == compose_manifest(b"{}", backwards)


def test_manifest_is_one_line_with_sorted_names_and_no_spaces():
    manifest = compose_manifest(b"{}", {"strip.png": "a" * 40, "icon.png": "b" * 40})

    assert manifest == (
        b'{"icon.png":"' + b"b" * 40 + b'",'
        b'"pass.json":"bf21a9e8fbc5a3846fb05b4fa0859e0917b2202f",'
        b'"strip.png":"' + b"a" * 40 + b'"}'
    )


def test_given_digest_of_pass_json_never_replaces_the_real_one():
    assert compose_manifest(b"{}", {"pass.json": "0" * 40}) == compose_manifest(b"{}", {})


def test_name_outside_ascii_is_utf_8():
    manifest = compose_manifest(b"{}", {"fr.lproj/écran.png": "a" * 40})

    assert "écran".encode() in manifest
