"""Run this service as a process of its own."""

from services.triggers.app import build
from services.triggers.settings import Settings
from shared.service import main

if __name__ == "__main__":
    main(build, Settings)
