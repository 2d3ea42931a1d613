"""Run this service as a process of its own."""

from services.generator.app import build
from services.generator.settings import Settings
from shared.service import main

if __name__ == "__main__":
    main(build, Settings)
