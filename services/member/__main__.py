from services.member.app import build
from services.member.settings import Settings
from shared.service import main

if __name__ == "__main__":
    main(build, Settings)
