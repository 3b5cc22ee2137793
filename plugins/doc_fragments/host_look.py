# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""What the modules have in common that look at a host for a role."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc: ``nat64.gateway.host_look`` for every such module, and its part ``.applied``."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: none
    description: It changes nothing.
"""

    # For roles with handlers; see left_over() of module_utils/services.py.
    APPLIED = r"""
options:
  applied:
    description: The topics of the role's handlers, each with the service that takes up those files.
    type: list
    elements: dict
    default: []
"""
