"""The OSS protocol with no IO: requests, responses, signatures, XML. The client and the embedded server both use it."""
