@node "%~dp0prebuild-backend.cjs" %*
