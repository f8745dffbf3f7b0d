"""The async OSS client: `Client.send` is the one way out, everything else here builds requests for it."""
