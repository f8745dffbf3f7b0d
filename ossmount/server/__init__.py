"""The embedded OSS: a server that keeps buckets in a directory and speaks the protocol of `ossmount.wire`.

It is for trying things without an account, for tests and for measuring, so it is faithful, quick, and can fail on
demand. It knows `wire` and nothing of the client.
"""
