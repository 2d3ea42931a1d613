"""The dialect of PassSource: `/api/{function}` and the links under `/pass`, in its own words."""
