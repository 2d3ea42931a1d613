-- A push of all installed passes of a template was called a walk.
ALTER TABLE walks RENAME TO template_pushes;
