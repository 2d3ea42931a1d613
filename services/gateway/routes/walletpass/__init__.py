"""WalletPass.ai's API, under /walletpass and, for hosts that are named so, under /v1 and /demo."""
