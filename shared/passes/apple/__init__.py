"""What only Apple Wallet knows: identities, signatures, the manifest, the file and its tokens."""
