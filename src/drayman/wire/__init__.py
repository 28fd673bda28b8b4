"""Messages of the API: to and from the values of ``core``, and the rules of their fields.

Comments name the source of a rule: "API text" is Google's documentation of the API, "recorded" is
what the real service returned, "ours" is a rule that Google does not have, "sic" marks a text of
the real service that looks like a mistake and is not.

The functions here work on the plain protobuf classes under ``tasks_v2.types`` (``.pb()``): they
are on the hot path of every task.
"""
