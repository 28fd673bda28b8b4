"""The customer-managed encryption key of a location."""

import proto
from google.protobuf import field_mask_pb2

__protobuf__ = proto.module(
    package="drayman.cloud.tasks.v2",
    manifest={"CmekConfig", "UpdateCmekConfigRequest", "GetCmekConfigRequest"},
)


class CmekConfig(proto.Message):
    """The key that encrypts new tasks of a location.

    Attributes:
        name (str): Output only: ``projects/PROJECT/locations/LOCATION/cmekConfig``.
        kms_key (str): The key's resource name. Empty disables encryption with such a key.
    """

    name: str = proto.Field(proto.STRING, number=1)
    kms_key: str = proto.Field(proto.STRING, number=2)


class UpdateCmekConfigRequest(proto.Message):
    """Request of ``UpdateCmekConfig``: set the key of a location.

    Attributes:
        cmek_config: The new configuration. Its ``name`` identifies the location.
        update_mask (google.protobuf.field_mask_pb2.FieldMask): The fields to set. Empty
            means all.
    """

    cmek_config: CmekConfig = proto.Field(proto.MESSAGE, number=1, message=CmekConfig)
    update_mask: field_mask_pb2.FieldMask = proto.Field(
        proto.MESSAGE, number=2, message=field_mask_pb2.FieldMask
    )


class GetCmekConfigRequest(proto.Message):
    """Request of ``GetCmekConfig``: read the key of a location.

    Attributes:
        name (str): ``projects/PROJECT/locations/LOCATION/cmekConfig``.
    """

    name: str = proto.Field(proto.STRING, number=1)
