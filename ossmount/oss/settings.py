"""What is set for a bucket as a whole: its configurations, versioning, and image styles.

Every configuration is a value of `wire`: put it, get it, delete it.  To change one, get it, `dataclasses.replace` what
shall change, and put it: what this client does not know is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..wire import access, cors, lifecycle, styles, versions, website
from ..wire.access import Logging, Referer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..wire.configuration import Configuration
    from ..wire.cors import CORS, CORSRule
    from ..wire.lifecycle import Lifecycle
    from ..wire.styles import Style
    from ..wire.website import Website
    from .client import Client

T = TypeVar("T")


class Settings:
    """The calls for what is set for a bucket.  All raise OSSError; what OSS would refuse raises OutOfLimits."""

    client: Client
    name: str

    async def put_configuration(self, configuration: Configuration[T], value: T) -> None:
        """Put any configuration, one of `wire.configurations`."""
        await self.client.send(configuration.put(self.name, value))

    async def get_configuration(self, configuration: Configuration[T]) -> T:
        """Get any configuration.

        Raises:
            ServiceError: there is none; `Configuration.missing` says which.
        """
        return await self.client.call(configuration.get(self.name), configuration.parse)

    async def delete_configuration(self, configuration: Configuration[T]) -> None:
        """Delete any configuration; that there is none is no error."""
        if configuration.parameter == access.REFERER.parameter:
            # There is no such operation; every bucket has a list.
            await self.put_bucket_referer(Referer())
            return
        await self.client.send(configuration.delete(self.name))

    # -- access log ------------------------------------------------------------------------------------------------

    async def put_bucket_logging(self, logging: Logging) -> None:
        """Have an access log written into a bucket of one's own in the same region.

        Raises:
            InvalidTargetBucketForLogging: that bucket will not do.
        """
        await self.put_configuration(access.LOGGING, logging)

    async def get_bucket_logging(self) -> Logging:
        """Return where the access log goes."""
        return await self.get_configuration(access.LOGGING)

    async def delete_bucket_logging(self) -> None:
        """Have no access log."""
        await self.delete_configuration(access.LOGGING)

    # -- website ---------------------------------------------------------------------------------------------------

    async def put_bucket_website(self, website_: Website) -> None:
        """Make the bucket a website."""
        await self.put_configuration(website.WEBSITE, website_)

    async def get_bucket_website(self) -> Website:
        """Return the website.

        Raises:
            NoSuchWebsiteConfiguration: the bucket is none.
        """
        return await self.get_configuration(website.WEBSITE)

    async def delete_bucket_website(self) -> None:
        """Make the bucket no website any more."""
        await self.delete_configuration(website.WEBSITE)

    # -- referer ---------------------------------------------------------------------------------------------------

    async def put_bucket_referer(self, referer: Referer) -> None:
        """Say which pages may show the objects."""
        await self.put_configuration(access.REFERER, referer)

    async def get_bucket_referer(self) -> Referer:
        """Return which pages may show the objects."""
        return await self.get_configuration(access.REFERER)

    async def delete_bucket_referer(self) -> None:
        """Let any page show the objects."""
        await self.delete_configuration(access.REFERER)

    # -- lifecycle -------------------------------------------------------------------------------------------------

    async def put_bucket_lifecycle(self, lifecycle_: Lifecycle) -> None:
        """Replace all rules by which objects expire or move."""
        await self.put_configuration(lifecycle.LIFECYCLE, lifecycle_)

    async def get_bucket_lifecycle(self) -> Lifecycle:
        """Return the rules by which objects expire or move.

        Raises:
            NoSuchLifecycle: there are none.
        """
        return await self.get_configuration(lifecycle.LIFECYCLE)

    async def delete_bucket_lifecycle(self) -> None:
        """Let objects stay as they are."""
        await self.delete_configuration(lifecycle.LIFECYCLE)

    # -- CORS ------------------------------------------------------------------------------------------------------

    async def put_bucket_cors(self, cors_: CORS) -> None:
        """Say what scripts of web pages may do."""
        await self.put_configuration(cors.CONFIGURATION, cors_)

    async def get_bucket_cors(self) -> CORS:
        """Return what scripts of web pages may do.

        Raises:
            NoSuchCORSConfiguration: nothing was said.
        """
        return await self.get_configuration(cors.CONFIGURATION)

    async def delete_bucket_cors(self) -> None:
        """Let scripts of web pages do nothing."""
        await self.delete_configuration(cors.CONFIGURATION)

    async def option_object(self, key: str, origin: str, method: str, headers: Sequence[str] = ()) -> CORSRule:
        """Ask, as a browser does, whether a page from *origin* may do *method* with *key*, and return what it may.

        Raises:
            AccessForbidden: it may not.
        """
        request = cors.option_object(self.name, key, origin, method, headers)
        return await self.client.call(request, cors.parse_option_object)

    # -- versions --------------------------------------------------------------------------------------------------

    async def put_bucket_versioning(self, status: str) -> None:
        """Keep versions (``Enabled``), or no new ones (``Suspended``)."""
        await self.client.send(versions.put_bucket_versioning(self.name, status))

    async def get_bucket_versioning(self) -> str:
        """Return ``Enabled``, ``Suspended``, or the empty string when there never were versions."""
        request = versions.get_bucket_versioning(self.name)
        return await self.client.call(request, versions.parse_get_bucket_versioning)

    # -- styles ----------------------------------------------------------------------------------------------------

    async def put_style(self, name: str, content: str) -> None:
        """Keep *content* (``image/resize,p_50``) as the image style *name*."""
        await self.client.send(styles.put_style(self.name, name, content))

    async def get_style(self, name: str) -> Style:
        """Return the image style *name*.

        Raises:
            NoSuchStyle: there is none.
        """
        return await self.client.call(styles.get_style(self.name, name), styles.parse_get_style)

    async def list_style(self) -> tuple[Style, ...]:
        """Return all image styles."""
        return await self.client.call(styles.list_style(self.name), styles.parse_list_style)

    async def delete_style(self, name: str) -> None:
        """Remove the image style *name*; that there is none is no error."""
        await self.client.send(styles.delete_style(self.name, name))
