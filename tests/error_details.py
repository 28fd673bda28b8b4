"""Details of errors as Google's client keeps them, in one form for both transports."""

from google.protobuf import json_format


def details_of(error):
    """Return the details of an error as JSON, which is what the client has of them over REST."""
    return [
        each
        if isinstance(each, dict)
        else {
            "@type": f"type.googleapis.com/{each.DESCRIPTOR.full_name}",
            **json_format.MessageToDict(each),
        }
        for each in error.details
    ]
