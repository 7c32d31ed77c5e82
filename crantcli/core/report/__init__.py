"""What a night has left: files with what they say of themselves, and figures kept from night to night."""
