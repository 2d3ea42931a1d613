"""Runs the gateway."""

from services.gateway.app import build
from services.gateway.settings import Settings
from shared.service import main

if __name__ == "__main__":
    main(build, Settings)
