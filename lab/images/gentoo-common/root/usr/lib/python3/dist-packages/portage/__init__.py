"""A stand-in for Gentoo's portage: as much as the Ansible module community.general.portage imports of it."""
