from services.notifier.app import build
from services.notifier.settings import Settings
from shared.service import main

if __name__ == "__main__":
    main(build, Settings)
