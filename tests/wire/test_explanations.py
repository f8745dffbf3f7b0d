"""Codes in words."""

from __future__ import annotations

import pytest

from ossmount.wire.errors import AccessDenied, ServiceError
from ossmount.wire.explanations import EXPLANATIONS, explain, remedy

# Those that the SDK of the service for Node lists.
KNOWN = """
    AccessDenied BucketAlreadyExists BucketNotEmpty EntityTooLarge EntityTooSmall FileGroupTooLarge InvalidLinkName
    LinkPartNotExist ObjectLinkTooLarge FieldItemTooLong FilePartInterity FilePartNotExist FilePartStale
    IncorrectNumberOfFilesInPOSTRequest InvalidArgument InvalidAccessKeyId InvalidBucketName InvalidDigest
    InvalidEncryptionAlgorithmError InvalidLocationConstraint InvalidObjectName InvalidPart InvalidPartOrder
    InvalidPolicyDocument InvalidTargetBucketForLogging InternalError MalformedXML MalformedPOSTRequest
    MaxPOSTPreDataLengthExceededError MethodNotAllowed MissingArgument MissingContentLength NoSuchBucket NoSuchKey
    NoSuchUpload NotImplemented PreconditionFailed RequestTimeTooSkewed RequestTimeout RequestIsNotMultiPartContent
    SignatureDoesNotMatch TooManyBuckets CallbackFailed
""".split()


@pytest.mark.parametrize("code", KNOWN)
def test_a_known_code_has_a_class_and_words_in_both_languages(code: str) -> None:
    error = ServiceError.by_code[code]("what the service said")
    assert explain(error) == EXPLANATIONS[code].english
    chinese = explain(error, "zh")
    assert chinese == EXPLANATIONS[code].chinese
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese)


def test_all_codes_there_are_have_words() -> None:
    assert EXPLANATIONS.keys() == ServiceError.by_code.keys()


def test_an_unknown_code_is_explained_by_the_service() -> None:
    error = ServiceError("It is raining.", code="Rain")
    assert explain(error) == explain(error, "zh") == "It is raining."
    assert remedy(error) == ""
    assert "ACL" in remedy(AccessDenied())
