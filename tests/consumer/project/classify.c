/* Classifies images with a model folder: c_consumer MODEL IMAGE... */
#include <conopa/conopa.h>
#include <stdio.h>
#include <stdlib.h>

static void stop_on(conopa_status status) {
  if (status == CONOPA_OK) return;
  fprintf(stderr, "c_consumer: %s\n", conopa_error());
  exit((int)status);
}

static char* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) return NULL;
  char* bytes = malloc(1 << 20);
  *size = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  conopa_model* model = NULL;
  conopa_session* session = NULL;
  stop_on(conopa_model_open(argv[1], NULL, &model));
  stop_on(conopa_session_create(model, 0, 1, &session));
  for (int i = 2; i < argc; ++i) {
    size_t size = 0;
    char* bytes = read_file(argv[i], &size);
    conopa_prediction top[3];
    if (bytes == NULL) return 3;
    stop_on(conopa_session_classify(session, bytes, size, top, 3));
    printf("%s: %s %.4f\n", argv[i], conopa_model_class_name(model, top[0].index),
           top[0].probability);
    free(bytes);
  }
  conopa_session_free(session);
  conopa_model_close(model);
  puts("c_consumer: ok");
  return 0;
}
