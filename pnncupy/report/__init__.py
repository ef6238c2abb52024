"""Reports: a static page that shows what was made of some pictures, how, and how well."""
