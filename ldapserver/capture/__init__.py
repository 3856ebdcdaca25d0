"""LDAP sessions recorded on their way to a server, kept in files, read back, and played again."""

from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.capture.packet_library import MissingExtra
from ldapserver.capture.pcap import InvalidCapture, read_pcap
from ldapserver.capture.recorder import write_pcap, write_recording
from ldapserver.capture.recording import InvalidRecording, Recording, read_recording

__all__ = [
    "Conversation",
    "End",
    "InvalidCapture",
    "InvalidRecording",
    "MissingExtra",
    "Piece",
    "Recording",
    "read_pcap",
    "read_recording",
    "write_pcap",
    "write_recording",
]
