"""``callspan doctor``: whether calls will be recorded, delivered and redacted as the settings say."""
