"""The embedded OSS server. It imports `wire` and never `oss`, so that the two can judge each other."""
