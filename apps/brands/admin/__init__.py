"""The pages of this room in admin, and the base that the other rooms' pages stand on."""
