"""The fault suite: rtp and every service it uses are hurt again and again, and every event is accounted for."""
