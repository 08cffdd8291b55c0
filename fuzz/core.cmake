conopa_fuzz(toml_config core)
conopa_fuzz(json_fields core)
target_include_directories(fuzz_toml_config PRIVATE ${PROJECT_SOURCE_DIR})
target_include_directories(fuzz_json_fields PRIVATE ${PROJECT_SOURCE_DIR})
